/** CSV: the table that `ecg show --csv` writes, byte for byte. */

import { float } from "../submission.js";
import { longestOf } from "./samples.js";

const LINES_IN_PART = 10_000;

/**
 * Return an ECG of the gateway as a table.
 * @throws {Inexact} if its samples are not exact
 */
export function csvOf(ecg) {
  const longest = longestOf(ecg);
  const names = ecg.leads.map(({ name }) => quoted(name)).join(",");
  const parts = [`# ECG in ADC units: ${descriptionOf(ecg)}\n${names}\n`];
  const columns = ecg.leads.map(cellsOf);
  for (let start = 0; start < longest; start += LINES_IN_PART) {
    let part = "";
    for (let i = start; i < Math.min(start + LINES_IN_PART, longest); i++)
      part += `${columns.map((cells) => cells[i] ?? "nan").join(",")}\n`;
    parts.push(part);
  }
  return new Blob(parts, { type: "text/csv" });
}

function cellsOf({ signal, missing }) {
  const cells = [...signal];
  for (const [first, count] of missing ?? []) cells.fill("nan", first, first + count);
  return cells;
}

function descriptionOf({ leads, sampling_rate: rate, date }) {
  const orNull = (value) => (value === null ? "null" : float(value));
  const described = leads.map(
    ({ name, signal, adc_gain: gain }) =>
      `{"name":${JSON.stringify(name)},"number_of_samples":${signal.length},"adc_gain":${orNull(gain)}}`,
  );
  return `{"leads":[${described.join(",")}],"sampling_rate":${orNull(rate)},"date":${JSON.stringify(date)}}`;
}

/** Quote a name as Python's csv module does: only if it must. */
function quoted(name) {
  return /[",\r\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name;
}
