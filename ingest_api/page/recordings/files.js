/** The recordings among the chosen files, and the reader of each. */

import { bytesOf, textOf } from "./content.js";
import { readCsv } from "./csv.js";
import { readEdf } from "./edf.js";
import { readJson } from "./json.js";
import { UnreadableRecording, checked } from "./recording.js";
import { filesNamedBy, readWfdb } from "./wfdb.js";

const GZIP = /\.gz$/i;
const HEADER = /\.hea(?:\.gz)?$/i;
// Files with these names are recordings of their own, even beside a header with the same stem.
const WHOLE = /\.(?:edf|bdf|csv|tsv|txt|npy|npz|json|dcm|xml|scp|ecg)(?:\.gz)?$/i;

/**
 * Group files into recordings. A WFDB record consists of its header, the files that it names and other files with its
 * stem, such as annotations; every other file is a recording.
 * @param {File[]} files
 * @returns {Promise<{name: string, files: File[]}[]>} the main file's name, and the files, that one first
 */
export async function group(files) {
  const stem = (file) => file.name.replace(GZIP, "").replace(/\.[^.]*$/, "");
  const headers = files.filter((file) => HEADER.test(file.name));
  const stems = new Set(headers.map(stem));
  const taken = new Set(headers);
  const parts = new Set();
  const records = [];
  for (const header of headers) {
    const others = await partsOf(header, files, new Set([header]));
    others.forEach((file) => taken.add(file));
    others.filter((file) => HEADER.test(file.name)).forEach((file) => parts.add(file));
    records.push({ name: header.name, files: [header, ...others] });
  }
  const others = files.filter((file) => !taken.has(file) && !(stems.has(stem(file)) && !WHOLE.test(file.name)));
  // Segments are parts of their record.
  const whole = records.filter((record) => !parts.has(record.files[0]));
  return [...whole, ...others.map((file) => ({ name: file.name, files: [file] }))];
}

/** Return the files that a header names, and those that its segments name. */
async function partsOf(header, files, seen) {
  let names;
  try {
    names = filesNamedBy(await bytesOf(header));
  } catch {
    return []; // reading the header will report the error
  }
  const named = files.filter((file) => names.includes(file.name.replace(GZIP, "")) && !seen.has(file));
  named.forEach((file) => seen.add(file));
  const further = await Promise.all(
    named.filter((file) => HEADER.test(file.name)).map((file) => partsOf(file, files, seen)),
  );
  return [...named, ...further.flat()];
}

/**
 * Read a recording.
 * @param {{name: string, files: File[]}} chosen as `group` returns it
 * @param {{unit: string, samplingRate: number|null, leads?: string[]}} given the unit of the numbers of CSV files and the
 *   sampling rate for files that do not state them, and the names of the leads to read; if empty, all
 * @throws {UnreadableRecording} if it cannot be read, or is not an ECG that the pipeline accepts
 */
export async function read({ name, files }, { unit, samplingRate, leads = [] }) {
  const content = await bytesOf(files[0]);
  const recording = await readContent(name, content, files.slice(1), unit, leads);
  if (samplingRate !== null && ![null, samplingRate].includes(recording.samplingRate)) {
    recording.notes.push("the given sampling rate is not used, because the file states its own");
  }
  recording.samplingRate ??= samplingRate;
  return checked(recording);
}

async function readContent(name, content, others, unit, leads) {
  const extension = /\.([^.]*)$/.exec(name.replace(GZIP, ""))?.[1].toLowerCase();
  switch (extension) {
    case "hea":
      return readWfdb(content, await contentsOf(others), leads);
    case "edf":
    case "bdf":
      return readEdf(content, leads);
    case "csv":
    case "tsv":
    case "txt":
      return readCsv(content, unit, leads);
    case "json":
      return readJson(utf8(content));
    case "dat":
      throw new UnreadableRecording("belongs to a WFDB record: its header (.hea) must be beside it");
    case "npy":
    case "npz":
    case "dcm":
    case "xml":
    case "scp":
    case "ecg":
      throw new UnreadableRecording(`ends with .${extension}, which only the command ecg reads`);
    default:
      throw new UnreadableRecording(
        "its format is unknown: it must be a WFDB record (.hea and .dat) or end with .edf, .bdf, .csv, .tsv, .txt, .json",
      );
  }
}

function utf8(content) {
  const [text, isLatin] = textOf(content);
  if (isLatin) throw new UnreadableRecording("body: must be UTF-8");
  return text;
}

async function contentsOf(files) {
  return new Map(await Promise.all(files.map(async (file) => [file.name.replace(GZIP, ""), await bytesOf(file)])));
}
