/** Preambles of tables: Apple Watch exports in any language, and OpenSignals text files. */

import { UnreadableRecording } from "./recording.js";
import { isoDate, strip } from "./table_cells.js";
import { inAMillivolt } from "./units.js";

const MOST_LINES = 64;
const HERTZ = /^([0-9]+(?:[.,][0-9]+)?)[ \t\f\v]*(?:hertz|hz)$/i;
const LEADS = new Set(
  "lead ableitung derivation d\u00e9rivation derivaci\u00f3n derivazione deriva\u00e7\u00e3o afleiding".split(" "),
);
const OPEN_SIGNALS = "# OpenSignals Text File Format";
const END = "# EndOfHeader";

/**
 * Return the preamble of a file, or null if it has no known one: {skip: number (lines before the numbers), decimal,
 * separator, names: string[], positions: number[] (of the columns to read), unit, rate (Hz), date: string|null, sensors:
 * string[], width: number}
 * @throws {UnreadableRecording} if the preamble is broken
 */
export function preambleOf(lines) {
  const head = lines.slice(0, MOST_LINES);
  return strip(head[0] ?? "") === OPEN_SIGNALS ? openSignals(head) : appleWatch(head);
}

/**
 * Return the preamble of keys and values; the patient's name and birth date among them are skipped. Keys are in the user's
 * language, so the values are recognised by their form: hertz, a unit of voltage, a date with a time.
 */
function appleWatch(lines) {
  const data = lines.findIndex((line) => strip(line) && !/[^-+0-9.,eE \t\f\v"]/.test(line));
  if (data < 0) return null;
  const unquoted = (text) => strip(text).replace(/^"+|"+$/g, "");
  const values = lines
    .slice(0, data)
    .filter((line) => line.includes(","))
    .map((line) => [line.slice(0, line.indexOf(",")), line.slice(line.indexOf(",") + 1)].map(unquoted));
  const rate = values.map(([, value]) => HERTZ.exec(value)?.[1]).find(Boolean);
  const unit = values.map(([, value]) => value).find((value) => inAMillivolt(value) !== null);
  if (rate === undefined || unit === undefined) return null;
  const lead = values.find(([key]) => LEADS.has(key.toLowerCase()))?.[1] ?? "lead 1";
  return {
    skip: data,
    decimal: lines.slice(data).some((line) => line.includes(",")) ? "," : ".",
    separator: null,
    names: [lead],
    positions: [0],
    unit,
    rate: Number(rate.replace(",", ".")),
    date: values.map(([, value]) => isoDate(value)).find(Boolean) ?? null,
    sensors: [],
    width: 1,
  };
}

function openSignals(lines) {
  const end = lines.findIndex((line) => strip(line) === END);
  let devices = null;
  try {
    devices = JSON.parse((lines[1] ?? "").replace(/^[# ]+/, ""));
  } catch {
    // refused below
  }
  const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
  if (end < 0 || !isObject(devices) || !Object.keys(devices).length) {
    throw new UnreadableRecording("line 2: the OpenSignals header must describe a device, and end with # EndOfHeader");
  }
  if (Object.keys(devices).length > 1) {
    throw new UnreadableRecording("line 2: the recording is of several devices: export each into a file of its own");
  }
  const [device] = Object.values(devices);
  const strings = (key) =>
    isObject(device) && Array.isArray(device[key]) ? device[key].filter((value) => typeof value === "string") : [];
  const labels = strings("label");
  const rate = isObject(device) ? device["sampling rate"] : null;
  if (!labels.length || typeof rate !== "number" || !(rate > 0)) {
    throw new UnreadableRecording("line 2: the OpenSignals header must state labels and the sampling rate");
  }
  const data = lines.slice(end + 1).find((line) => strip(line)) ?? "";
  const width = data.replace(/\t+$/, "").split("\t").length;
  if (width < labels.length) {
    throw new UnreadableRecording(`line ${end + 2}: has ${width} columns, and the header names ${labels.length}`);
  }
  return {
    skip: end + 1,
    decimal: ".",
    separator: "\t",
    names: labels,
    positions: labels.map((_, i) => width - labels.length + i),
    unit: "",
    rate,
    date: isoDate(`${device.date} ${device.time}`),
    sensors: strings("sensor"),
    width,
  };
}
