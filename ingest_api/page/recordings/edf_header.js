/** Headers of EDF, EDF+ and BDF files (edfplus.info/specs, biosemi.com/faq/file_format.htm). */

import { latinOf } from "./content.js";
import { isoOf } from "./dates.js";
import { UnreadableRecording, rint } from "./recording.js";

const HEADER_BYTES = 256;
const BDF = "\xffBIOSEMI";
// The fields of a signal and their widths. The header has each field for all signals, then the next field.
const FIELDS = [
  ["label", 16],
  ["transducer", 80],
  ["unit", 8],
  ["physical minimum", 8],
  ["physical maximum", 8],
  ["digital minimum", 8],
  ["digital maximum", 8],
  ["prefiltering", 80],
  ["number of samples", 8],
  ["reserved", 32],
];
const LIMITS = ["physical minimum", "physical maximum", "digital minimum", "digital maximum"];
const ANNOTATIONS = /^(?:EDF|BDF) Annotations$/;
const NUMBER = /^[+-]?(?:[0-9]+[.,]?[0-9]*|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?$/;
const INTEGER = /^[+-]?[0-9]+$/;
const DAY = /^([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})$/;
const THREE = /^ ?([0-9]{1,2})[.:'\-/ ] ?([0-9]{1,2})[.:'\-/ ] ?([0-9]{1,2})$/;
const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const CENTURY = 85; // years from 85 on are in the 20th century
const MOST_SIGNALS = 9999;

/**
 * Parse the header of a file; its first byte distinguishes EDF from BDF:
 *
 * {size: number (bytes), width: number (bytes of a sample), signals: Signal[], recordSamples: number, records: number,
 *  duration: number (seconds), rounding: number (the most by which the field rounds the duration, in seconds),
 *  isDiscontinuous: boolean (there may be gaps between data records), recording: string, start: [string, string]}
 *
 * Signal: {label, unit, least, most, low, high, samples, at (in samples of a data record), annotations: boolean}
 * @param {ArrayBuffer} content
 * @throws {UnreadableRecording} if it is not a header; the message names signal, field and byte
 */
export function parseHeader(content) {
  const isBdf = latinOf(new Uint8Array(content, 0, Math.min(BDF.length, content.byteLength))) === BDF;
  if (!isBdf && textAt(content, 0, 8) !== "0") {
    throw new UnreadableRecording("not an EDF or BDF file: its first bytes are those of neither");
  }
  const count = textAt(content, 252, 4);
  if (!INTEGER.test(count) || !(Number(count) >= 1 && Number(count) <= MOST_SIGNALS)) {
    throw new UnreadableRecording("byte 252: the number of signals must be 1 to 9999");
  }
  const size = HEADER_BYTES * (1 + Number(count));
  if (content.byteLength < size) {
    throw new UnreadableRecording(`its header is cut short: it has ${content.byteLength} of ${size} bytes`);
  }
  const records = textAt(content, 236, 8);
  if (!INTEGER.test(records)) {
    throw new UnreadableRecording("byte 236: the number of data records must be a whole number");
  }
  const duration = numberAt(content, 244, "the duration of a data record");
  const signals = [];
  let recordSamples = 0;
  for (let i = 0; i < Number(count); i++) {
    signals.push(parseSignal(content, Number(count), i, recordSamples));
    recordSamples += signals[i].samples;
  }
  const width = isBdf ? 3 : 2;
  const announced = textAt(content, 184, 8);
  const isWhole = content.byteLength === size + Number(records) * recordSamples * width;
  if (INTEGER.test(announced) && Number(announced) !== size && !isWhole) {
    throw new UnreadableRecording(
      `byte 184: the header of ${signals.length} signals has ${size} bytes, not ${Number(announced)}`,
    );
  }
  return {
    size,
    width,
    signals,
    recordSamples,
    records: Number(records),
    duration,
    rounding: roundingOf(textAt(content, 244, 8)),
    isDiscontinuous: ["EDF+D", "BDF+D"].includes(textAt(content, 192, 44).slice(0, 5)),
    recording: textAt(content, 88, 80),
    start: [168, 176].map((at) => textAt(content, at, 8, false).replace(/ +$/, "")),
  };
}

function parseSignal(content, signals, number, at) {
  const places = new Map();
  let start = HEADER_BYTES;
  for (const [name, width] of FIELDS) {
    places.set(name, [start + number * width, width]);
    start += signals * width;
  }
  const text = (name) => textAt(content, ...places.get(name));
  const label = text("label");
  const annotations = ANNOTATIONS.test(label);
  const where = `signal ${number + 1} (${label})`;
  const samples = text("number of samples");
  if (!INTEGER.test(samples) || Number(samples) < 1) {
    const [byte] = places.get("number of samples");
    throw new UnreadableRecording(`byte ${byte}: the number of samples of ${where} must be a whole number above 0`);
  }
  const [least, most, low, high] = LIMITS.map((name) =>
    annotations ? NaN : numberAt(content, places.get(name)[0], `the ${name} of ${where}`),
  );
  return {
    label: label || `lead ${number + 1}`,
    unit: text("unit"),
    least,
    most,
    low,
    high,
    samples: Number(samples),
    at,
    annotations,
  };
}

/** Return a number, which may have a decimal comma. */
function numberAt(content, at, what) {
  const text = textAt(content, at, 8);
  const value = NUMBER.test(text) ? Number(text.replace(",", ".")) : Infinity;
  if (!Number.isFinite(value)) throw new UnreadableRecording(`byte ${at}: ${what} must be a number`);
  return value;
}

/** Return a unit of the last decimal of a field that is full: there was no room for further ones. */
function roundingOf(field) {
  const decimals = field.length === 8 ? /^(?:0|[1-9][0-9]*)?[.,]([0-9]+)$/.exec(field) : null;
  return decimals ? 10 ** -decimals[1].length : 0;
}

/** Return a field. The standard allows ASCII only; recorders write UTF-8 and Latin-1. */
function textAt(content, at, width, strip = true) {
  const length = Math.max(Math.min(width, content.byteLength - at), 0);
  const field = new Uint8Array(content, Math.min(at, content.byteLength), length);
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(field);
  } catch {
    text = latinOf(field);
  }
  // Some recorders end a field with a zero byte.
  [text] = text.split("\0", 1);
  return strip ? text.replace(/^ +| +$/g, "") : text;
}

/** Return the time of the first sample in ISO 8601, `onset` seconds after the start, or null if it is unknown. */
export function began({ recording, start }, onset) {
  const [keyword, started = ""] = recording.split(" ");
  const [day, clock] = start.map((text) => THREE.exec(text)?.slice(1).map(Number));
  if ((keyword === "Startdate" && started === "X") || !day || !clock) return null;
  let [dayOfMonth, month, year] = day;
  year += year >= CENTURY ? 1900 : 2000;
  const plus = DAY.exec(started);
  if (keyword === "Startdate" && plus && MONTHS.includes(plus[2].toUpperCase())) {
    [dayOfMonth, month, year] = [Number(plus[1]), MONTHS.indexOf(plus[2].toUpperCase()) + 1, Number(plus[3])];
  }
  return isoOf(year, month, dayOfMonth, ...clock, rint(onset * 1e6));
}
