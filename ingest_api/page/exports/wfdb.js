/** WFDB records: a header (WFDB manual, header(5)) and a signal file in format 16 or 32 (signal(5)), zipped together. */

import { Inexact, longestOf } from "./samples.js";
import { zipOf } from "./zip.js";

// The formats, the narrowest first; each has its lowest number as the mark of a missing sample.
const FORMATS = [
  { code: 16, bytes: 2, missing: -(2 ** 15), most: 2 ** 15 - 1 },
  { code: 32, bytes: 4, missing: -(2 ** 31), most: 2 ** 31 - 1 },
];
const DATE = /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d:\d\d)(?::(\d\d(?:\.\d{1,6})?)\d*)?/;

/**
 * Return an ECG of the gateway as a record with this name, in a ZIP archive.
 * @throws {Inexact} if WFDB cannot express it
 */
export function wfdbOf(ecg, title) {
  const longest = longestOf(ecg);
  const { leads, sampling_rate: rate } = ecg;
  if (rate === null) throw new Inexact("WFDB needs the sampling rate, which this recording does not state: choose CSV.");
  const record = title.replace(/[^A-Za-z0-9_-]+/g, "_");
  const within = ({ missing, most }) => leads.every(({ signal }) => signal.every((value) => value > missing && value <= most));
  const format = FORMATS.find(within);
  if (!format) throw new Inexact("WFDB holds samples of 32 bits, and these are larger: choose CSV.");
  const columns = leads.map((lead) => columnOf(lead, longest, format));
  const file = `${record}.dat`;
  const lines = [
    [record, leads.length, rate, longest, ...momentOf(ecg.date)].join(" "),
    ...leads.map(({ name, adc_gain: gain }, i) => {
      const sum = columns[i].reduce((total, value) => (total + value) << 0, 0);
      const checksum = (sum << 16) >> 16;
      // A gain of 0 is one that is not known.
      return `${file} ${format.code} ${gain ?? 0}(0)/mV ${format.bytes * 8} 0 ${columns[i][0] ?? 0} ${checksum} 0 ${name}`;
    }),
    ...(ecg.date === null ? [] : [`# recorded ${ecg.date}`]),
  ];
  return zipOf([
    { name: `${record}.hea`, content: new TextEncoder().encode(`${lines.join("\n")}\n`) },
    { name: file, content: interleaved(columns, longest, format) },
  ]);
}

/** Return the date and time as fields of the header, which has no time zone; none without both. */
function momentOf(date) {
  const found = DATE.exec(date ?? "");
  return found ? [`${found[4]}:${found[5] ?? "00"}`, `${found[3]}/${found[2]}/${found[1]}`] : [];
}

function columnOf({ signal, missing }, length, { missing: mark }) {
  const column = new Int32Array(length).fill(mark, signal.length);
  column.set(signal);
  for (const [first, count] of missing ?? []) column.fill(mark, first, first + count);
  return column;
}

function interleaved(columns, length, { bytes }) {
  const content = new DataView(new ArrayBuffer(columns.length * length * bytes));
  let at = 0;
  for (let i = 0; i < length; i++) {
    for (const column of columns) {
      if (bytes === 2) content.setInt16(at, column[i], true);
      else content.setInt32(at, column[i], true);
      at += bytes;
    }
  }
  return new Uint8Array(content.buffer);
}
