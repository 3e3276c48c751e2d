/** WFDB, PhysioNet's format: a header with signal files or with segments. */

import { choose, recordingOf } from "./channels.js";
import { joined, rangesOf } from "./missing.js";
import { UnreadableRecording } from "./recording.js";
import { gainOf, isOther } from "./units.js";
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
  const perMillivolt = gain === null ? null : gainOf(gain, unit);
  if (gain !== null && perMillivolt === null && !isOther(unit)) {
    notes.push(`${name}: its unit is not a unit of voltage, so its gain is left out`);
  }
  return {
    name,
    signal: samples,
    gain: perMillivolt,
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
  } else if (length !== null && stored > length + Math.max(...signals.map(({ skew }) => skew))) {
    notes.push(`${file} is longer than its header says: it has ${stored} frames, and ${length} are read`);
  }
  const frames = Math.min(stored, length ?? stored);
  if (!frames) throw new UnreadableRecording(`${file} has no samples`);
  const view = new DataView(content, offset);
  let first = 0;
  return signals.map((signal) => {
    // A signal with skew is stored that many frames late.
    const inFile = Math.min(stored, frames + signal.skew);
    const values = new Float64Array(inFile * signal.perFrame);
    for (let frame = 0, i = 0; frame < inFile; frame++) {
      for (let k = 0; k < signal.perFrame; k++, i++) values[i] = format.read(view, frame * width + first + k);
    }
    first += signal.perFrame;
    return stretchOf(signal, values, frames * signal.perFrame, format.missing);
  });
}

/** Return a signal of `size` samples; `stored` are those of the file, with those before its skew. */
function stretchOf(signal, stored, size, marker) {
  if (signal.code === DIFFERENCES) {
    let sum = signal.initial;
    for (let i = 0; i < stored.length; i++) stored[i] = sum += stored[i];
  }
  // The end of a signal with skew may not be in the file.
  const present = stored.subarray(Math.min(signal.skew * signal.perFrame, stored.length)).subarray(0, size);
  const values = new Float64Array(size);
  values.set(present);
  const missing = rangesOf(size, (i) => i >= present.length || (marker !== null && values[i] === marker));
  for (let i = 0; i < size; i++) values[i] -= signal.baseline;
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
  if (header.length !== null && header.length !== total) {
    notes.push(`its header announces ${header.length} frames, and its segments have ${total}`);
  }
  const places = placesOf(reference.signals);
  const named = read.map(({ length, stretches }) => {
    const all = placesOf(stretches.map(({ signal }) => signal));
    return { length, stretches: new Map(stretches.map((stretch, i) => [all[i], stretch])) };
  });
  const found = new Set(named.flatMap(({ stretches }) => [...stretches.keys()]));
  const known = new Set(places);
  const leftOut = [...found].filter((place) => !known.has(place)).map((place) => JSON.parse(place)[0]);
  if (leftOut.length) {
    const where = layout ? "layout" : "first segment";
    notes.push(`left out, because they are not in the record's ${where}: ${leftOut.join(", ")}`);
  }
  return reference.signals.map((signal, i) => join(signal, places[i], named, layout !== null));
}

/** Return keys of signals: their name and the number of equal names before, as signals may have the same name. */
function placesOf(signals) {
  const seen = new Map();
  return signals.map(({ name }) => {
    const before = seen.get(name) ?? 0;
    seen.set(name, before + 1);
    return JSON.stringify([name, before]);
  });
}

function join(signal, place, parts, byName) {
  const { name, perFrame } = signal;
  const samples = new Float64Array(parts.reduce((sum, { length }) => sum + length * perFrame, 0));
  const missing = [];
  let at = 0;
  let own = null;
  for (const { length, stretches } of parts) {
    const frames = length * perFrame;
    const found = stretches.get(place);
    if (!byName && stretches.size && !found) {
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
