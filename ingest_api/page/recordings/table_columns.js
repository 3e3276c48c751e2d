/** The numbers of a table, column by column. */

import { UnreadableRecording } from "./recording.js";
import {
  INTEGER,
  isBlank,
  isNumber,
  isPointed,
  isTime,
  nanoseconds,
  split,
  valueOf,
  wholeNumber,
  withPoint,
  withoutComment,
} from "./table_cells.js";

const HALF_DAY = 43_200e9;
const DAY = 86_400e9;
// Words of programs for a missing value. They are not read, because some of them have other meanings too.
const ABSENT = new Set(["na", "n/a", "null", "none", "-", "--", "?", "missing"]);

/**
 * Return the columns of a table: numbers as {values: Float64Array|BigInt64Array, whole: boolean, missing:
 * boolean[]|null}, in a BigInt64Array if an integer is beyond 2^53, with missing ones, which are 0 there, marked in
 * `missing`; and times as {values: Float64Array, first: string, resolution: number}, in nanoseconds since the
 * first, with the smallest step in which they are written.
 * @param {string|null} separator of cells, or null for one cell a line
 * @param {"."|","} decimal the decimal mark
 * @param {number} skip the number of lines before the numbers
 * @param {number|null} width the number of columns, if known: lines may then end with a separator
 * @throws {UnreadableRecording} if a cell is not a number; the message names line and column
 */
export function columnsOf(lines, separator, decimal, skip, width = null) {
  let columns = null;
  for (let i = skip; i < lines.length; i++) {
    if (isBlank(lines[i])) continue;
    const row = split(withoutComment(lines[i]), separator);
    if (width === row.length - 1 && !row.at(-1)) row.pop();
    columns ??= row.map((cell) => ({
      first: isTime(cell) ? cell : null,
      day: null,
      // Some programs write no decimals of whole seconds, so all times are looked at.
      decimals: 0,
      values: [],
      whole: true,
      // All numbers so far have integer values, and these are the texts of all.
      integral: true,
      cells: [],
    }));
    if (row.length !== columns.length) {
      throw new UnreadableRecording(
        `line ${i + 1}: has ${row.length} columns, and those before have ${columns.length}`,
      );
    }
    row.forEach((cell, k) => take(columns[k], cell, decimal, `line ${i + 1}, column ${k + 1}`));
  }
  if (!columns) throw new UnreadableRecording("has no samples");
  return columns.map(({ first, decimals, values, whole, integral, cells }) => {
    if (first !== null) {
      const since = Float64Array.from(values, (value) => value - values[0]);
      return { first, values: since, resolution: 10 ** (9 - decimals) };
    }
    const exact = integral ? bigIntegers(values, cells) : null;
    return exact ?? { values: Float64Array.from(values), whole, missing: null };
  });
}

function take(column, cell, decimal, where) {
  if (column.first !== null) {
    column.values.push(since(column, cell, where));
    return;
  }
  const written = decimal === "," && !cell.includes(".") ? withPoint(cell) : cell;
  if ((decimal === "," && cell.includes(".")) || !isPointed(written)) {
    throw new UnreadableRecording(`${where}: ${wrong(cell, decimal)}`);
  }
  const value = valueOf(written);
  column.whole &&= INTEGER.test(cell);
  column.integral &&= Number.isInteger(value) || Number.isNaN(value);
  column.values.push(value);
  if (column.integral) column.cells.push(written);
}

function wrong(cell, decimal) {
  if (!cell) return "is empty: write nan where a sample is missing";
  if (ABSENT.has(cell.toLowerCase())) return "must be a number: write nan where a sample is missing";
  if (isNumber(cell) || (cell.includes(",") && cell.includes("."))) {
    return `must be a number with a decimal ${decimal === "," ? "comma" : "point"}, like those before`;
  }
  return "must be a number";
}

/** Return a time in nanoseconds since the midnight before the first time. */
function since(column, cell, where) {
  const found = nanoseconds(cell);
  if (!found) throw new UnreadableRecording(`${where}: must be a time, like those before`);
  column.day ??= found.days;
  column.decimals = Math.max(column.decimals, found.decimals);
  let value = (found.days - column.day) * DAY + found.time;
  // Times without a date start again at midnight.
  while (found.days === 0 && column.values.length && value < column.values.at(-1) - HALF_DAY) value += DAY;
  return value;
}

/** Return a column with exact integers, or null if doubles are exact, or one is not an integer of 64 bits. */
function bigIntegers(values, cells) {
  const isMissing = values.map(Number.isNaN);
  if (values.every((value, i) => isMissing[i] || Number.isSafeInteger(value))) return null;
  if (values.some((value) => Math.abs(value) > 2 ** 63)) return null;
  const exact = cells.map((cell, i) => (isMissing[i] ? 0n : wholeNumber(cell)));
  if (!exact.every((value) => value !== null && BigInt.asIntN(64, value) === value)) return null;
  return { values: BigInt64Array.from(exact), whole: true, missing: isMissing.includes(true) ? isMissing : null };
}
