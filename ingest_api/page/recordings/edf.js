/** EDF, EDF+ and BDF: the European Data Format (edfplus.info/specs) and BioSemi's 24-bit form of it. */

import { UnreadableRecording, gainOf, rint } from "./recording.js";

// EDF+ has labels begin with the type of the signal.
const ECG = /^(?:ECG|EKG)(?![a-z])/i;
const TYPE = /^(?:ECG|EKG)\s+(?=[a-z])/i;
const ANNOTATIONS = /^(?:EDF|BDF) Annotations$/;
const HEADER_BYTES = 256;
const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const FIELDS = [
  ["label", 16],
  ["transducer", 80],
  ["unit", 8],
  ["least", 8],
  ["most", 8],
  ["low", 8],
  ["high", 8],
  ["prefiltering", 80],
  ["samples", 8],
  ["reserved", 32],
];

/**
 * Read an EDF, EDF+ or BDF file; zero becomes the digital value of zero volts. Where labels say which signals are ECGs
 * (`ECG II`, `EKG`), only these are leads; `ECG II` is lead II.
 * @param {ArrayBuffer} buffer the file
 */
export function readEdf(buffer) {
  const header = parseHeader(buffer);
  const { width, signals } = header;
  const recordSamples = signals.reduce((sum, signal) => sum + signal.samples, 0);
  const stored = Math.floor((buffer.byteLength - header.bytes) / (recordSamples * width));
  if (!(stored >= 1)) throw new UnreadableRecording("no EDF or BDF file: it has no samples");
  const notes = [];
  if (stored !== header.records) {
    notes.push(`the header tells of ${header.records} data records, and the file has ${stored}`);
  }
  const view = new DataView(buffer, header.bytes);
  let at = 0;
  for (const signal of signals) {
    signal.at = at;
    at += signal.samples * width;
  }
  const timekeeping = signals.find((signal) => ANNOTATIONS.test(signal.label));
  const first = timekeeping ? checkContinuous(buffer, header, timekeeping, stored, at) : 0;
  const named = signals
    .filter((signal) => !ANNOTATIONS.test(signal.label))
    .map((signal, i) => ({ ...signal, label: signal.label || `lead ${i + 1}` }));
  const ecgs = named.filter(({ label }) => ECG.test(label));
  if (ecgs.length && ecgs.length < named.length) {
    notes.push(
      `left out, as they are no ECGs: ${named
        .filter(({ label }) => !ECG.test(label))
        .map(({ label }) => label)
        .join(", ")}`,
    );
  }
  const chosen = ecgs.length ? ecgs.map((signal) => ({ ...signal, label: signal.label.replace(TYPE, "") })) : named;
  const rates = new Set(chosen.map((signal) => signal.samples / header.duration));
  if (rates.size > 1) notes.push("leads differ in their sampling rate, which is left out");
  return {
    date: isoDate(header, first),
    samplingRate: rates.size === 1 && Number.isFinite([...rates][0]) ? [...rates][0] : null,
    leads: chosen.map((signal) => lead(signal, view, stored, at, width)),
    notes,
  };
}

function lead(signal, view, records, recordBytes, width) {
  const { unit, least, most, low, high, samples } = signal;
  const zero = most === least ? 0 : rint(low - (least * (high - low)) / (most - least));
  const values = new Float64Array(records * samples);
  for (let record = 0, i = 0; record < records; record++) {
    let at = record * recordBytes + signal.at;
    for (let k = 0; k < samples; k++, i++, at += width) {
      values[i] =
        (width === 2 ? view.getInt16(at, true) : view.getUint16(at, true) | (view.getInt8(at + 2) << 16)) - zero;
    }
  }
  return { name: signal.label, signal: values, adcGain: gainOf((high - low) / (most - least), unit) };
}

function parseHeader(buffer) {
  const text = new TextDecoder("latin1").decode(new Uint8Array(buffer));
  const field = (at, length) => text.slice(at, at + length).trimEnd();
  const bdf = text.startsWith("\xffBIOSEMI");
  const count = Number(field(252, 4));
  if ((!bdf && field(0, 8) !== "0") || !Number.isInteger(count) || count < 1) {
    throw new UnreadableRecording("no EDF or BDF file: its header is none");
  }
  const bytes = HEADER_BYTES * (1 + count);
  if (buffer.byteLength < bytes) throw new UnreadableRecording("no EDF or BDF file: its header is cut short");
  const signals = Array.from({ length: count }, () => ({}));
  let at = HEADER_BYTES;
  for (const [name, length] of FIELDS) {
    for (const signal of signals) {
      signal[name] = field(at, length);
      at += length;
    }
  }
  for (const signal of signals) {
    signal.label = signal.label.trim();
    signal.unit = signal.unit.trim();
    for (const name of ["least", "most", "low", "high", "samples"]) {
      const value = signal[name].trim() === "" ? NaN : Number(signal[name]);
      const annotations = ANNOTATIONS.test(signal.label) && name !== "samples";
      if (!Number.isFinite(value) && !annotations)
        throw new UnreadableRecording("no EDF or BDF file: its header is broken");
      signal[name] = value;
    }
    if (!Number.isInteger(signal.samples) || signal.samples < 1) {
      throw new UnreadableRecording("no EDF or BDF file: its header is broken");
    }
  }
  return {
    bytes,
    width: bdf ? 3 : 2,
    signals,
    recording: field(88, 80),
    startDate: field(168, 8),
    startTime: field(176, 8),
    records: Number(field(236, 8)),
    duration: Number(field(244, 8)),
  };
}

/** Return the onset of the first data record in seconds; every other must follow the one before without a gap. */
function checkContinuous(buffer, header, signal, records, recordBytes) {
  const decoder = new TextDecoder("latin1");
  const onset = (record) => {
    const at = header.bytes + record * recordBytes + signal.at;
    const found = /^[+-]\d+(?:\.\d+)?/.exec(decoder.decode(new Uint8Array(buffer, at, signal.samples * header.width)));
    if (!found) throw new UnreadableRecording("no EDF or BDF file: a data record does not say when it is of");
    return Number(found[0]);
  };
  const first = onset(0);
  for (let record = 1, before = first; record < records; record++) {
    const now = onset(record);
    if (Math.abs(now - before - header.duration) > 1e-6) {
      throw new UnreadableRecording("the recording has gaps (EDF+D), which would be joined");
    }
    before = now;
  }
  return first;
}

/** Return when the recording began, in ISO 8601; null where it is anonymised or not filled in. */
function isoDate(header, onset) {
  const [keyword, started = ""] = header.recording.split(/\s+/);
  if (keyword === "Startdate" && started === "X") return null;
  const legacy = numbers(header.startDate);
  const clock = numbers(header.startTime);
  if (!legacy || !clock) return null;
  let [day, month, year] = legacy;
  year += year >= 85 ? 1900 : 2000;
  const plus = /^(\d{1,2})-([A-Za-z]{3})-(\d{4})$/.exec(started);
  if (plus && MONTHS.includes(plus[2].toUpperCase())) {
    [day, month, year] = [Number(plus[1]), MONTHS.indexOf(plus[2].toUpperCase()) + 1, Number(plus[3])];
  }
  const began = new Date(Date.UTC(year, month - 1, day, ...clock));
  if (began.getUTCDate() !== day || began.getUTCMonth() !== month - 1 || began.getUTCHours() !== clock[0]) return null;
  began.setTime(began.getTime() + Math.floor(onset) * 1000);
  const micros = Math.round((onset - Math.floor(onset)) * 1e6);
  return began.toISOString().slice(0, 19) + (micros ? `.${String(micros).padStart(6, "0")}` : "");
}

function numbers(text) {
  const found = /^ ?(\d{1,2})[.:'\-/ ] ?(\d{1,2})[.:'\-/ ] ?(\d{1,2})$/.exec(text);
  return found && found.slice(1).map(Number);
}
