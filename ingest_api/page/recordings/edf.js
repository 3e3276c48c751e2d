/** EDF, EDF+ and BDF: the European Data Format and BioSemi's 24-bit form of it. */

import { choose, recordingOf } from "./channels.js";
import { latinOf } from "./content.js";
import { began, parseHeader } from "./edf_header.js";
import { UnreadableRecording, rint } from "./recording.js";
import { gainOf, isOther } from "./units.js";

// Onsets are decimal numbers that some recorders round.
const TOLERANCE = 1e-3;
// Gaps may be longer than the recording, but a broken onset must not fill the memory.
const MOST_GROWTH = 64;
const LEAST_LIMIT = 1 << 20;
const FAR_APART = "has gaps that are far longer than the recording: split it at them";
const MOST_ZERO = 2 ** 52;
const MOST_START = 2 ** 53;

/**
 * Read an EDF, EDF+ or BDF file; the digital value of zero volts becomes 0. If labels say which signals are ECGs (`ECG II`,
 * `EKG`), only these and usual names of leads are read; `ECG II` is lead II. Gaps between data records (EDF+D) are missing
 * samples.
 * @param {ArrayBuffer} content the file
 * @param {string[]} wanted the labels of the signals to read; if empty, all that may be leads
 */
export function readEdf(content, wanted = []) {
  const header = parseHeader(content);
  const recordBytes = header.recordSamples * header.width;
  const stored = Math.floor((content.byteLength - header.size) / recordBytes);
  const rest = (content.byteLength - header.size) % recordBytes;
  if (!stored) throw new UnreadableRecording("has no samples: it holds no whole data record");
  const notes = [];
  if (stored !== header.records && header.records !== -1) {
    notes.push(`the header announces ${header.records} data records, and the file has ${stored}`);
  } else if (rest) {
    notes.push(`the file ends with ${rest} bytes of an incomplete data record, which are left out`);
  }
  const records = { view: new DataView(content, header.size), count: stored, bytes: recordBytes };
  const onsets = onsetsOf(header, content, records, notes);
  if (header.isDiscontinuous && !onsets.length) {
    notes.push("its header says that it has gaps (EDF+D), but it does not say where, so they are left out");
  }
  const signals = header.signals.filter(({ annotations }) => !annotations);
  if (signals.length && !(header.duration > 0)) {
    throw new UnreadableRecording("byte 244: the duration of a data record must be above 0");
  }
  if (!signals.length) throw new UnreadableRecording("holds annotations only, and no signals");
  const chosen = choose(
    signals.map(({ label }) => label),
    signals.map(({ unit }) => unit),
    wanted,
    notes,
    { typed: true },
  );
  const channels = chosen.map((i) => channelOf(signals[i], header, records, onsets, notes));
  return recordingOf(channels, began(header, onsets[0] ?? 0), notes, { typed: true });
}

/** Return the start of each data record in seconds; empty if the file does not say it, and so has no gaps. */
function onsetsOf(header, content, records, notes) {
  const timekeeping = header.signals.find(({ annotations }) => annotations);
  if (!timekeeping) return [];
  const first = timekeeping.at * header.width;
  const [onsets, silent] = [[], []];
  for (let i = 0; i < records.count; i++) {
    const at = header.size + i * records.bytes + first;
    const text = latinOf(new Uint8Array(content, at, timekeeping.samples * header.width));
    const found = /^[+-][0-9]+(?:\.[0-9]+)?/.exec(text);
    if (found) onsets.push(Number(found[0]));
    else silent.push([at, i + 1]);
  }
  if (silent.length && (onsets.length || header.isDiscontinuous)) {
    const [at, number] = silent[0];
    throw new UnreadableRecording(`byte ${at}: data record ${number} does not say when it begins`);
  }
  if (silent.length) notes.push("none of its data records says when it begins, so they are read one after the other");
  return onsets;
}

function channelOf(signal, header, records, onsets, notes) {
  const { label, unit, least, most, low, high } = signal;
  const rate = signal.samples / header.duration;
  const [span, reach] = [most - least, high - low];
  const units = span && reach ? reach / span : null;
  if (units === null) notes.push(`${label}: its limits are equal, so its gain is left out`);
  const zero = units === null ? 0 : rint(low - (least * reach) / span);
  if (!(Math.abs(zero) <= MOST_ZERO)) {
    throw new UnreadableRecording(`${label}: its limits are too far from zero volts`);
  }
  const gain = units === null ? null : gainOf(units, unit);
  if (units !== null && gain === null && !isOther(unit)) {
    const wrong = unit ? "its unit is not a unit of voltage" : "has no unit";
    notes.push(`${label}: ${wrong}, so its gain is left out`);
  }
  const { starts, missing } = placesOf(header, records.count, signal.samples, rate, onsets);
  const values = new Float64Array(starts.at(-1) + signal.samples);
  const { view, bytes } = records;
  for (let record = 0; record < records.count; record++) {
    let at = record * bytes + signal.at * header.width;
    for (let k = 0, i = starts[record]; k < signal.samples; k++, i++, at += header.width) {
      const stored =
        header.width === 2 ? view.getInt16(at, true) : view.getUint16(at, true) | (view.getInt8(at + 2) << 16);
      values[i] = stored - zero;
    }
  }
  return { name: label, signal: values, gain, unit, rate, missing };
}

/**
 * Return the position of the first sample of each data record, and the gaps between them.
 *
 * A shift of at most a sample is rounding of an onset, not a gap. The rounding of the duration, and so of the rate, is far
 * smaller, but adds up: it explains a drift, to which each data record contributes at most a sample.
 */
function placesOf(header, count, perRecord, rate, onsets) {
  const nearest = Math.max(1, TOLERANCE * rate);
  const rounding = header.rounding / header.duration;
  const starts = [];
  const missing = [];
  let drift = 0;
  for (let i = 0; i < count; i++) {
    const end = i ? starts[i - 1] + perRecord : 0;
    const at = onsets.length ? (onsets[i] - onsets[0]) * rate : end;
    if (!(Math.abs(at) < MOST_START)) throw new UnreadableRecording(FAR_APART);
    const [shift, drifted] = [rint(at) - end, Math.abs(drift) > nearest];
    const step = shift - drift;
    let start = end + shift;
    if (
      (!drifted && Math.abs(shift) <= nearest) ||
      (Math.abs(step) <= nearest && Math.abs(shift) <= nearest + rounding * Math.abs(at))
    ) {
      start = end;
    } else if (drifted && Math.abs(step) > nearest) {
      start = end + step;
    }
    if (start < end) throw new UnreadableRecording(`data record ${i + 1} begins before the one before it ends`);
    if (start > end) missing.push([end, start - end]);
    starts.push(start);
    drift = rint(at) - start;
  }
  if (starts.at(-1) + perRecord > Math.max(LEAST_LIMIT, MOST_GROWTH * count * perRecord)) {
    throw new UnreadableRecording(FAR_APART);
  }
  return { starts, missing };
}
