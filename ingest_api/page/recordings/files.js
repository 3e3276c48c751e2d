/** Which recordings a choice of files holds, and what reads each. */

import { readCsv } from "./csv.js";
import { readEdf } from "./edf.js";
import { readJson } from "./json.js";
import { UnreadableRecording, checked } from "./recording.js";
import { readWfdb, signalFiles } from "./wfdb.js";

const HEADER = /\.hea$/i;
const PART_OF_A_RECORD = /\.(?:dat|xyz|mat|atr|qrs)$/i;

/**
 * Group files into recordings: a WFDB record is its header, the signal files that it names and other files with its
 * stem; the others are one each.
 * @param {File[]} files
 * @returns {Promise<{name: string, files: File[]}[]>} the main file's name, and the files, that one first
 */
export async function group(files) {
  const stem = (file) => file.name.replace(/\.[^.]*$/, "");
  const headers = files.filter((file) => HEADER.test(file.name));
  const stems = new Set(headers.map(stem));
  const taken = new Set(headers);
  const records = [];
  for (const header of headers) {
    const signals = await signalsNamedBy(header, files);
    signals.forEach((file) => taken.add(file));
    records.push({ name: header.name, files: [header, ...signals] });
  }
  const others = files.filter(
    (file) => !taken.has(file) && !(PART_OF_A_RECORD.test(file.name) && stems.has(stem(file))),
  );
  return [...records, ...others.map((file) => ({ name: file.name, files: [file] }))];
}

async function signalsNamedBy(header, files) {
  try {
    const names = signalFiles(await textOf(header));
    return files.filter((file) => names.includes(file.name));
  } catch {
    return []; // what is wrong with it is told when it is read
  }
}

/**
 * Read a recording.
 * @param {{name: string, files: File[]}} chosen as `group` returns it
 * @param {{unit: string, samplingRate: number|null}} csv what CSV files do not tell
 * @throws {UnreadableRecording} if it cannot be read, or is no ECG that the pipeline takes
 */
export async function read({ name, files }, csv) {
  const [main] = files;
  const extension = /\.([^.]*)$/.exec(name)?.[1].toLowerCase();
  let recording;
  switch (extension) {
    case "hea":
      recording = readWfdb(await textOf(main), await signalsOf(files.slice(1)));
      break;
    case "edf":
    case "bdf":
      recording = readEdf(await main.arrayBuffer());
      break;
    case "csv":
      recording = readCsv(await textOf(main), csv.unit, csv.samplingRate);
      break;
    case "json":
      recording = readJson(await textOf(main));
      break;
    case "dat":
      throw new UnreadableRecording("belongs to a WFDB record: choose its header (.hea) too");
    default:
      throw new UnreadableRecording(
        "its format is unknown: it must be a WFDB record (.hea and .dat), .edf, .bdf, .csv or .json",
      );
  }
  return checked(recording);
}

async function textOf(file) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
  } catch (error) {
    if (error instanceof TypeError) throw new UnreadableRecording("is no text in UTF-8");
    throw error;
  }
}

async function signalsOf(files) {
  return new Map(await Promise.all(files.map(async (file) => [file.name, await file.arrayBuffer()])));
}
