/** CSV: a column of numbers for each lead, under their names. */

import { INT64_END, UnreadableRecording, rint, samplesOf } from "./recording.js";

const AXIS = /^(?:(?:elapsed )?time\b.*|t|s|ms|seconds?|samples?|sample[ _]?(?:number|index|#)|index)$/i;
const NUMBER = /^[+-]?(?:\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|nan|inf(?:inity)?)$/i;
const INTEGER = /^[+-]?\d+$/;

/** What the numbers of a CSV file are, and what makes samples of them: microvolts, so that fractions survive. */
export const UNITS = {
  adc: { label: "ADC units", scale: null, gain: null },
  uv: { label: "microvolts", scale: 1, gain: 1000 },
  mv: { label: "millivolts", scale: 1000, gain: 1000 },
};

/**
 * Read a CSV file, whose first line may name the leads; a column of times or sample numbers is left out. A value `nan`
 * is missing, and becomes 0.
 * @param {string} text the file
 * @param {"adc"|"uv"|"mv"} unit what its numbers are
 * @param {number|null} samplingRate which the file does not tell
 */
export function readCsv(text, unit = "adc", samplingRate = null) {
  const rows = text.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/);
  const first = cells(rows[0]).map((cell) => cell.trim());
  const named = first.some((cell) => !NUMBER.test(cell));
  const columns = parseColumns(rows, named ? 1 : 0);
  if (!columns.length) throw new UnreadableRecording("has no samples");
  if (named && first.length !== columns.length) {
    throw new UnreadableRecording(`line 1 names ${first.length} columns, and there are ${columns.length}`);
  }
  const names = named ? first : columns.map((_, i) => `lead ${i + 1}`);
  const exact = columns.every((column) => column.every((cell) => INTEGER.test(cell)));
  const notes = [];
  const leads = [];
  columns.forEach((column, i) => {
    if (i === 0 && columns.length > 1 && AXIS.test(names[0])) {
      notes.push(`left out, as it is no lead: ${names[0]}`);
    } else {
      leads.push({
        name: names[i],
        signal: signal(column, exact, UNITS[unit].scale, names[i], notes),
        adcGain: UNITS[unit].gain,
      });
    }
  });
  return { date: null, samplingRate, leads, notes };
}

function signal(column, exact, scale, name, notes) {
  const values = Float64Array.from(column, number);
  if (scale !== null)
    return samplesOf(
      values.map((value) => rint(value * scale)),
      name,
      notes,
    );
  if (!exact || values.every(Number.isSafeInteger)) return samplesOf(values, name, notes);
  return BigInt64Array.from(column, (cell) => {
    const value = BigInt(cell.replace("+", ""));
    if (BigInt.asIntN(64, value) !== value) throw new UnreadableRecording(`${name}: must hold integers of 64 bits`);
    return value;
  });
}

/** Return the cells of each column, every one a number. */
function parseColumns(rows, skip) {
  let columns = [];
  for (let i = skip; i < rows.length; i++) {
    // A comment, as NumPy reads it, or nothing.
    const row = rows[i].split("#", 1)[0];
    if (!row.trim()) continue;
    const line = cells(row);
    if (!columns.length) columns = line.map(() => []);
    if (line.length !== columns.length) {
      throw new UnreadableRecording(
        `line ${i + 1}: has ${line.length} columns, and those before have ${columns.length}`,
      );
    }
    for (let k = 0; k < line.length; k++) {
      const cell = line[k].trim();
      if (!NUMBER.test(cell)) throw new UnreadableRecording(`line ${i + 1}, column ${k + 1}: must be a number`);
      columns[k].push(cell);
    }
  }
  return columns;
}

function cells(row) {
  if (!row.includes('"')) return row.split(",");
  return [...row.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
    ([, quoted, bare]) => quoted?.replaceAll('""', '"') ?? bare,
  );
}

function number(cell) {
  const lower = cell.toLowerCase();
  if (lower.includes("nan")) return NaN;
  return lower.includes("inf") ? INT64_END : Number(cell);
}
