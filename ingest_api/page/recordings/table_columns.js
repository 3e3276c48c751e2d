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
  withPoint,
  withoutComment,
} from "./table_cells.js";

const HALF_DAY = 43_200e9;
const DAY = 86_400e9;

/**
 * Return the columns of a table: numbers as {values: Float64Array|BigInt64Array, whole: boolean}, in a BigInt64Array if an
 * integer is beyond 2^53, and times as {values: Float64Array, first: string}, in nanoseconds since the first.
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
    columns ??= row.map((cell) => ({ first: isTime(cell) ? cell : null, day: null, values: [], whole: true, cells: [] }));
    if (row.length !== columns.length) {
      throw new UnreadableRecording(
        `line ${i + 1}: has ${row.length} columns, and those before have ${columns.length}`,
      );
    }
    row.forEach((cell, k) => take(columns[k], cell, decimal, `line ${i + 1}, column ${k + 1}`));
  }
  if (!columns) throw new UnreadableRecording("has no samples");
  return columns.map(({ first, values, whole, cells }) => {
    if (first !== null) return { first, values: Float64Array.from(values, (value) => value - values[0]) };
    const exact = !whole || values.every(Number.isSafeInteger);
    return { values: (exact ? null : bigIntegers(cells)) ?? Float64Array.from(values), whole };
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
  column.whole &&= INTEGER.test(cell);
  column.values.push(valueOf(written));
  if (column.whole) column.cells.push(cell);
}

function wrong(cell, decimal) {
  if (!cell) return "is empty: write nan where a sample is missing";
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
  let value = (found.days - column.day) * DAY + found.time;
  // Times without a date start again at midnight.
  while (found.days === 0 && column.values.length && value < column.values.at(-1) - HALF_DAY) value += DAY;
  return value;
}

/** Return exact integers, or null if one has more than 64 bits. */
function bigIntegers(cells) {
  const values = cells.map((cell) => BigInt(cell.replace("+", "")));
  return values.every((value) => BigInt.asIntN(64, value) === value) ? BigInt64Array.from(values) : null;
}
