/** WFDB, PhysioNet's format: a header with signal files or with segments. */

import { choose, recordingOf } from "./channels.js";
import { joined, rangesOf } from "./missing.js";
import { UnreadableRecording } from "./recording.js";
import { gainOf } from "./units.js";
import { parseHeader } from "./wfdb_header.js";
import { DIFFERENCES, FLAC, FORMATS } from "./wfdb_samples.js";

const ABSENT = "~";
// Gaps may be longer than the recording, but a broken length must not fill the memory.
const MOST_GROWTH = 64;
const LEAST_LIMIT = 1 << 20;

/** Return the names of the files that a header names. */
export function filesNamedBy(content) {
  const { signals, segments } = parseHeader(content);
  return [
    ...new Set([
      ...signals.map(({ file }) => file),
      ...segments.filter(({ name }) => name !== null).map(({ name }) => `${name}.hea`),
    ]),
  ];
}

/**
 * Read a record and subtract each signal's baseline. Signals whose file is missing are left out. Samples marked as missing
 * and gaps between segments are missing samples of the leads.
 * @param {ArrayBuffer} content the header
 * @param {Map<string, ArrayBuffer>} files the other files by name
 * @param {string[]} wanted the names of the signals to read; if empty, all that may be leads
 */
export function readWfdb(content, files, wanted = []) {
  const header = parseHeader(content);
  const { notes } = header;
  const stretches = header.segments.length
    ? readSegments(header, files, notes)
    : readSignals(header.signals, header.length, files, notes);
  const chosen = choose(
    stretches.map(({ signal }) => signal.name),
    stretches.map(({ signal }) => signal.unit),
    wanted,
    notes,
  );
  const channels = chosen.map((i) => channelOf(stretches[i], header.rate, notes));
  return recordingOf(channels, header.date, notes);
}

function channelOf({ signal, samples, missing }, rate, notes) {
  const { name, gain, unit, perFrame } = signal;
  if (gain === null) notes.push(`${name}: is not calibrated, so its gain is left out`);
  return {
    name,
    signal: samples,
    gain: gain === null ? null : gainOf(gain, unit),
    unit,
    rate: rate * perFrame,
    missing,
  };
}

function readSignals(signals, length, files, notes) {
  const names = [...new Set(signals.map(({ file }) => file))];
  if (!names.length) throw new UnreadableRecording("not a WFDB record: its header describes no signals");
  const present = names.filter((name) => files.has(name));
  if (!present.length) {
    throw new UnreadableRecording(`its signal file ${names[0]} is missing: it belongs beside the header`);
  }
  const absent = signals.filter(({ file }) => !files.has(file)).map(({ name }) => name);
  if (absent.length) notes.push(`left out, because their file is missing: ${absent.join(", ")}`);
  const decoded = new Map();
  for (const name of present) {
    const group = signals.filter(({ file }) => file === name);
    readFile(group, files.get(name), length, notes).forEach((stretch) => decoded.set(stretch.signal, stretch));
  }
  return signals.filter((signal) => decoded.has(signal)).map((signal) => decoded.get(signal));
}

/** Return the signals of a file, which stores them frame by frame. */
function readFile(signals, content, length, notes) {
  const [{ file, code, offset }] = signals;
  if (signals.some((signal) => signal.code !== code || signal.offset !== offset)) {
    throw new UnreadableRecording(`${file} has signals of several formats, which WFDB does not allow`);
  }
  if (FLAC.includes(code)) {
    throw new UnreadableRecording(`${file} is stored in WFDB format ${code} (FLAC), which only the command ecg reads`);
  }
  const format = FORMATS.get(code);
  if (!format) {
    const known = [...FORMATS.keys(), ...FLAC].join(", ");
    throw new UnreadableRecording(`${file} is stored in WFDB format ${code}; the formats that can be read are ${known}`);
  }
  const width = signals.reduce((sum, { perFrame }) => sum + perFrame, 0);
  const bytes = Math.max(content.byteLength - offset, 0);
  const stored = Math.floor(format.samplesIn(bytes) / width);
  if (length !== null && stored < length) {
    notes.push(`${file} is too short: it has ${stored} of ${length} frames, which are read`);
  } else if (length !== null && stored > length) {
    notes.push(`${file} is longer than its header says: it has ${stored} frames, and ${length} are read`);
  }
  const frames = Math.min(stored, length ?? stored);
  if (!frames) throw new UnreadableRecording(`${file} has no samples`);
  const view = new DataView(content, offset);
  let first = 0;
  return signals.map((signal) => {
    const values = new Float64Array(frames * signal.perFrame);
    for (let frame = 0, i = 0; frame < frames; frame++) {
      for (let k = 0; k < signal.perFrame; k++, i++) values[i] = format.read(view, frame * width + first + k);
    }
    first += signal.perFrame;
    return stretchOf(signal, values, format.missing);
  });
}

function stretchOf(signal, values, marker) {
  if (signal.code === DIFFERENCES) {
    let sum = signal.initial;
    for (let i = 0; i < values.length; i++) values[i] = sum += values[i];
  }
  // The signal is stored `skew` frames late, so its end is not in the file.
  const shift = Math.min(signal.skew * signal.perFrame, values.length);
  const end = values.length - shift;
  if (shift) values.copyWithin(0, shift);
  const missing = rangesOf(values.length, (i) => i >= end || (marker !== null && values[i] === marker));
  for (let i = 0; i < values.length; i++) values[i] -= signal.baseline;
  for (const [start, count] of missing) values.fill(0, start, start + count);
  return { signal, samples: values, missing };
}

/** Return the signals of a record with segments, joined; signals that a segment lacks are missing samples. */
function readSegments(header, files, notes) {
  const parts = header.segments.map((segment) => {
    const content = segment.name === null ? null : files.get(`${segment.name}.hea`);
    if (content === undefined) {
      throw new UnreadableRecording(`its segment ${segment.name} is missing: ${segment.name}.hea belongs beside it`);
    }
    return { length: segment.length, header: content && parseHeader(content) };
  });
  const described = parts.filter((part) => part.header !== null);
  if (described.some((part) => part.header.segments.length)) {
    throw new UnreadableRecording("has segments that are records of several segments themselves");
  }
  if (described.some((part) => part.header.rate !== header.rate)) {
    throw new UnreadableRecording("its segments differ in their sampling rate: read them one by one");
  }
  const layout = parts.length && !parts[0].length ? parts[0].header : null;
  const reference = layout ?? described.find(({ length }) => length)?.header;
  if (!reference) throw new UnreadableRecording("has no samples: all of its segments are gaps");
  const read = parts
    .filter(({ length }) => length)
    .map((part) => {
      const own = (part.header?.signals ?? []).filter(({ file }) => file !== ABSENT);
      return { length: part.length, stretches: own.length ? readSignals(own, part.length, files, notes) : [] };
    });
  const total = read.reduce((sum, { length }) => sum + length, 0);
  const stored = read.reduce((sum, { stretches }) => sum + stretches.reduce((n, s) => n + s.samples.length, 0), 0);
  if (total > Math.max(LEAST_LIMIT, MOST_GROWTH * stored)) {
    throw new UnreadableRecording("has gaps that are far longer than the recording: read its segments one by one");
  }
  return reference.signals.map((signal) => join(signal, read, layout !== null));
}

function join(signal, parts, byName) {
  const { name, perFrame } = signal;
  const samples = new Float64Array(parts.reduce((sum, { length }) => sum + length * perFrame, 0));
  const missing = [];
  let at = 0;
  let own = null;
  for (const { length, stretches } of parts) {
    const frames = length * perFrame;
    const found = stretches.find((stretch) => stretch.signal.name === name);
    if (!byName && stretches.length && !found) {
      throw new UnreadableRecording(`${name}: is not in all segments of a record with a fixed layout`);
    }
    let filled = 0;
    if (found) {
      const other = own ?? found.signal;
      if (found.signal.gain !== other.gain || found.signal.unit !== other.unit || found.signal.perFrame !== perFrame) {
        throw new UnreadableRecording(`${name}: its gain differs between segments: read them one by one`);
      }
      own = found.signal;
      missing.push(...found.missing.map(([first, count]) => [at + first, count]));
      filled = Math.min(found.samples.length, frames);
      samples.set(found.samples.subarray(0, filled), at);
    }
    if (filled < frames) missing.push([at + filled, frames - filled]);
    at += frames;
  }
  return { signal: own ?? signal, samples, missing: joined(missing) };
}
