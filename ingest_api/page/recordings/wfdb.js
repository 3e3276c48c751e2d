/** WFDB, PhysioNet's format: a header, and the signal files that it names (WFDB manual, header(5) and signal(5)). */

import { UnreadableRecording, gainOf, noteMissing } from "./recording.js";

// What reads one sample of a format from bytes, and the bytes and bits that it has.
const FORMATS = {
  16: { bytes: 2, bits: 16, read: (view, at) => view.getInt16(at, true) },
  24: { bytes: 3, bits: 24, read: (view, at) => view.getUint16(at, true) | (view.getInt8(at + 2) << 16) },
  32: { bytes: 4, bits: 32, read: (view, at) => view.getInt32(at, true) },
  61: { bytes: 2, bits: 16, read: (view, at) => view.getInt16(at, false) },
  80: { bytes: 1, bits: 8, read: (view, at) => view.getUint8(at) - 128 },
  160: { bytes: 2, bits: 16, read: (view, at) => view.getUint16(at, true) - 32768 },
};
const PACKED = "212"; // two samples of 12 bits in three bytes
const DEFAULT_RATE = 250;
const DEFAULT_GAIN = 200;

/** Return the names of the signal files of a header's text. */
export function signalFiles(text) {
  return [...new Set(parseHeader(text).channels.map((channel) => channel.file))];
}

/**
 * Read a record and subtract each channel's baseline. Channels whose file is missing are left out; samples that are
 * marked as missing become 0.
 * @param {string} text the header
 * @param {Map<string, ArrayBuffer>} files the signal files by name
 */
export function readWfdb(text, files) {
  const header = parseHeader(text);
  const names = [...new Set(header.channels.map((channel) => channel.file))];
  const present = names.filter((name) => files.has(name));
  if (!present.length) {
    throw new UnreadableRecording(`its signal file ${names[0]} is not among the files: choose both`);
  }
  const notes = [];
  const absent = header.channels.filter((channel) => !files.has(channel.file));
  if (absent.length)
    notes.push(`left out, as their file is missing: ${absent.map((channel) => channel.name).join(", ")}`);
  const signals = new Map();
  for (const name of present) {
    const channels = header.channels.filter((channel) => channel.file === name);
    decodeFile(files.get(name), channels, header.length).forEach((signal, i) => signals.set(channels[i], signal));
  }
  const leads = [...header.channels]
    .filter((channel) => signals.has(channel))
    .map((channel) => {
      const signal = signals.get(channel);
      const marker = -(2 ** (channel.bits - 1));
      let missing = 0;
      for (let i = 0; i < signal.length; i++) {
        if (signal[i] === marker) {
          signal[i] = 0;
          missing++;
        } else {
          signal[i] -= channel.baseline;
        }
      }
      noteMissing(missing, channel.name, notes);
      return { name: channel.name, signal, adcGain: channel.gain };
    });
  return { date: header.date, samplingRate: header.rate, leads, notes };
}

function parseHeader(text) {
  const lines = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line && !line.startsWith("#"));
  const record = /^(\S+?)(\/\d+)?\s+(\d+)(?:\s+([\d.eE+-]+)(?:\/\S+)?(?:\s+(\d+)(?:\s+(\S+)(?:\s+(\S+))?)?)?)?$/.exec(
    lines[0] ?? "",
  );
  if (!record) throw new UnreadableRecording("no WFDB record: its first line describes none");
  if (record[2]) throw new UnreadableRecording("has several segments, which only the command line reads");
  const count = Number(record[3]);
  if (lines.length <= count)
    throw new UnreadableRecording(`no WFDB record: describes ${lines.length - 1} of ${count} signals`);
  const rate = record[4] === undefined ? DEFAULT_RATE : Number(record[4]);
  if (!(rate > 0)) throw new UnreadableRecording("no WFDB record: its sampling rate is no number over 0");
  return {
    rate,
    length: Number(record[5] ?? 0) || null,
    date: isoDate(record[7], record[6]),
    channels: lines.slice(1, 1 + count).map(parseChannel),
  };
}

function parseChannel(line, i) {
  const [file, format = "", gain = "", , zero = "0", , , , ...description] = line.split(/\s+/);
  const stored = /^(\d+)(?:x(\d+))?(?::(\d+))?(?:\+(\d+))?$/.exec(format);
  const scale = /^([\d.eE+-]+)?(?:\((-?\d+)\))?(?:\/(\S+))?$/.exec(gain);
  if (!stored || !scale) throw new UnreadableRecording(`no WFDB record: signal ${i + 1} is not described`);
  const [, code, perFrame = "1", skew = "0", offset = "0"] = stored;
  if (!(code in FORMATS) && code !== PACKED) {
    throw new UnreadableRecording(
      `is stored in WFDB format ${code}; read here are ${Object.keys(FORMATS).join(", ")} and ${PACKED}`,
    );
  }
  if (perFrame !== "1" || skew !== "0") {
    throw new UnreadableRecording("has signals of several rates or skewed ones, which only the command line reads");
  }
  // A gain of 0 or none means uncalibrated; the default is the format's.
  const units = Number(scale[1] ?? 0) || DEFAULT_GAIN;
  return {
    file,
    code,
    bits: code === PACKED ? 12 : FORMATS[code].bits,
    offset: Number(offset),
    baseline: Number(scale[2] ?? zero),
    gain: gainOf(units, scale[3] ?? "mV"),
    name: description.join(" ") || `lead ${i + 1}`,
  };
}

function decodeFile(buffer, channels, announced) {
  const { code, offset } = channels[0];
  if (channels.some((channel) => channel.code !== code)) {
    throw new UnreadableRecording("has a signal file of several formats, which only the command line reads");
  }
  const bytes = Math.max(buffer.byteLength - offset, 0);
  const samples =
    code === PACKED ? Math.floor(bytes / 3) * 2 + (bytes % 3 === 2 ? 1 : 0) : Math.floor(bytes / FORMATS[code].bytes);
  const length = announced ?? Math.floor(samples / channels.length);
  if (samples < length * channels.length) {
    throw new UnreadableRecording(
      `${channels[0].file} is cut short: it has ${samples} of ${length * channels.length} samples`,
    );
  }
  const signals = channels.map(() => new Float64Array(length));
  const view = new DataView(buffer, Math.min(offset, buffer.byteLength));
  const read = code === PACKED ? readPacked : (_, i) => FORMATS[code].read(view, i * FORMATS[code].bytes);
  const width = channels.length;
  for (let i = 0, at = 0; i < length; i++) {
    for (let k = 0; k < width; k++, at++) signals[k][i] = read(view, at);
  }
  return signals;
}

function readPacked(view, i) {
  const at = (i >> 1) * 3;
  const middle = view.getUint8(at + 1);
  const value = i & 1 ? view.getUint8(at + 2) | ((middle & 0xf0) << 4) : view.getUint8(at) | ((middle & 0x0f) << 8);
  return value > 2047 ? value - 4096 : value;
}

/** Return date and time of a header (DD/MM/YYYY, HH:MM:SS) in ISO 8601; neither alone is a date. */
function isoDate(date, time) {
  const day = /^(\d{1,2})\/(\d{1,2})\/(\d{4})$/.exec(date ?? "");
  const clock = /^(?:(\d{1,2}):)?(?:(\d{1,2}):)?(\d{1,2})(?:\.(\d{1,6}))?$/.exec(time ?? "");
  if (!day || !clock) return null;
  const [hours, minutes] = clock[2] === undefined ? ["0", clock[1] ?? "0"] : [clock[1], clock[2]];
  const two = (text) => text.padStart(2, "0");
  const fraction = Number(clock[4] ?? 0) ? `.${clock[4].padEnd(6, "0")}` : "";
  return `${day[3]}-${two(day[2])}-${two(day[1])}T${two(hours)}:${two(minutes)}:${two(clock[3])}${fraction}`;
}
