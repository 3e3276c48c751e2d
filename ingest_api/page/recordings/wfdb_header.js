/** Headers of WFDB records (WFDB manual, header(5)), in UTF-8 or Latin-1; most fields are optional. */

import { textOf } from "./content.js";
import { isoOf } from "./dates.js";
import { UnreadableRecording } from "./recording.js";

// Defaults of the format.
const RATE = 250;
const UNIT = "mV";
const NUMBER = "[+-]?(?:[0-9]+\\.?[0-9]*|\\.[0-9]+)(?:[eE][+-]?[0-9]+)?";
const S = "[ \\t\\f\\v]+";
const W = "[^ \\t\\f\\v]+";
const RECORD = new RegExp(
  `^(${W}?)(?:/([0-9]+))?${S}([0-9]+)(?:${S}(${NUMBER})(?:/${W})?(?:${S}([0-9]+)(?:${S}(${W})(?:${S}(${W}))?)?)?)?$`,
);
const STORED = /^([0-9]+)(?:x([0-9]+))?(?::([0-9]+))?(?:\+([0-9]+))?$/;
const SCALE = new RegExp(`^(${NUMBER})(?:\\(([+-]?[0-9]+)\\))?(?:/(${W}))?$`);
const SEGMENT = new RegExp(`^${W}[ \\t\\f\\v]+[0-9]+$`);
const INTEGER = /^[+-]?[0-9]+$/;
const MOST_DIGITS = 15;

/**
 * Parse a header:
 *
 * {rate: number (frames per second), length: number|null (frames), date: string|null, signals: Signal[],
 *  segments: {name: string|null (a gap), length: number}[], notes: string[]}
 *
 * Signal: {name, file, code, perFrame, skew, offset, gain: number|null, baseline, unit, initial}
 * @param {ArrayBuffer} content
 * @throws {UnreadableRecording} if it is not a header; the message names the line
 */
export function parseHeader(content) {
  const [text] = textOf(content);
  const lines = text
    .split(/\r\n|\n|\r/)
    .map((line, i) => ({ at: i + 1, line: strip(line) }))
    .filter(({ line }) => line && !line.startsWith("#"));
  const found = lines.length ? RECORD.exec(lines[0].line) : null;
  if (!found) throw new UnreadableRecording("not a WFDB record: its first line does not describe one");
  const [, , segments, count, rate, length, time, date] = found;
  const { at } = lines[0];
  const notes = [];
  if (rate === undefined) notes.push(`its header has no sampling rate: WFDB's default of ${RATE} Hz applies`);
  const perSecond = rate === undefined ? RATE : Number(rate);
  if (!(perSecond > 0 && perSecond < Infinity)) {
    throw new UnreadableRecording(`line ${at}: its sampling rate must be a number above 0`);
  }
  const began = isoDate(date, time);
  if (date !== undefined && began === null) notes.push("its header's date is invalid, so it is left out");
  const expected = integer(segments ?? count, at);
  if (lines.length <= expected) {
    const kind = segments === undefined ? "signals" : "segments";
    throw new UnreadableRecording(`not a WFDB record: its header describes ${lines.length - 1} of ${expected} ${kind}`);
  }
  const described = lines.slice(1, 1 + expected);
  const frames = length === undefined ? 0 : integer(length, at);
  const header = {
    rate: perSecond,
    length: frames || null,
    date: began,
    signals: segments === undefined ? described.map(({ line, at }, i) => parseSignal(line, i + 1, at)) : [],
    segments: segments === undefined ? [] : described.map(({ line, at }) => parseSegment(line, at)),
    notes,
  };
  // Another signal of a file would make the samples those of other leads.
  const files = new Set(header.signals.map(({ file }) => file));
  const further = lines
    .slice(1 + expected)
    .find(({ line }) => files.has(line.split(/[ \t\f\v]/, 1)[0]) || (header.segments.length && SEGMENT.test(line)));
  if (further) {
    const kind = segments === undefined ? "signals" : "segments";
    throw new UnreadableRecording(
      `line ${further.at}: describes more ${kind} than the ${expected} that line ${at} announces`,
    );
  }
  return header;
}

function parseSignal(line, number, at) {
  const [file, code = "", gain = "", , zero = "", initial = "", , , ...description] = splitAtMost(line, 9);
  const stored = STORED.exec(code);
  const scale = gain ? SCALE.exec(gain) : null;
  if (!stored || (gain && !scale) || [zero, initial].some((field) => field && !INTEGER.test(field))) {
    throw new UnreadableRecording(`line ${at}: signal ${number} is not described in WFDB's format`);
  }
  const units = Number(scale?.[1] ?? 0);
  return {
    name: strip(description[0] ?? "") || `lead ${number}`,
    file: fileName(file, at),
    code: stored[1],
    perFrame: integer(stored[2] ?? "1", at) || 1,
    skew: integer(stored[3] ?? "0", at),
    offset: integer(stored[4] ?? "0", at),
    gain: units && Number.isFinite(units) ? units : null,
    baseline: integer(scale?.[2] ?? (zero || "0"), at),
    unit: scale?.[3] ?? UNIT,
    // A format of differences begins at the ADC zero unless the header says otherwise.
    initial: integer(initial || zero || "0", at),
  };
}

/** Split a line at spaces into at most `most` fields; the last keeps its spaces. */
function splitAtMost(line, most) {
  const fields = [];
  let rest = line;
  while (fields.length < most - 1) {
    const gap = /[ \t\f\v]+/.exec(rest);
    if (!gap) break;
    fields.push(rest.slice(0, gap.index));
    rest = rest.slice(gap.index + gap[0].length);
  }
  return [...fields, rest];
}

function parseSegment(line, at) {
  const fields = line.split(/[ \t\f\v]+/);
  if (fields.length !== 2 || !/^[0-9]+$/.test(fields[1])) {
    throw new UnreadableRecording(`line ${at}: must hold the name of a segment and its length`);
  }
  return { name: fields[0] === "~" ? null : fileName(fields[0], at), length: integer(fields[1], at) };
}

function fileName(name, at) {
  if (name.includes("/") || name.includes("\\") || name === "..") {
    throw new UnreadableRecording(`line ${at}: names a file in another folder: put the record's files into one folder`);
  }
  return name;
}

function integer(digits, at) {
  if (digits.length > MOST_DIGITS) throw new UnreadableRecording(`line ${at}: holds a number that is too large`);
  return Number(digits) || 0;
}

/** Return the date and time of a header (DD/MM/YYYY, HH:MM:SS) in ISO 8601, or null if they are invalid. */
function isoDate(date, time) {
  const day = /^([0-9]{1,2})\/([0-9]{1,2})\/([0-9]{4})$/.exec(date ?? "");
  const clock = /^(?:([0-9]{1,2}):)?(?:([0-9]{1,2}):)?([0-9]{1,2})(?:\.([0-9]{1,6}))?$/.exec(time ?? "");
  if (!day || !clock) return null;
  const [hours, minutes] = clock[2] === undefined ? ["0", clock[1] ?? "0"] : [clock[1], clock[2]];
  const numbers = [day[3], day[2], day[1], hours, minutes, clock[3]].map(Number);
  return isoOf(...numbers, Number((clock[4] ?? "0").padEnd(6, "0")));
}

function strip(text) {
  return text.replace(/^[ \t\f\v]+|[ \t\f\v]+$/g, "");
}
