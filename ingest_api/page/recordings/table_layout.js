/** The layout of a table: its first line of numbers, its separator, its decimal mark and its headings. */

import { UnreadableRecording } from "./recording.js";
import {
  INTEGER,
  WHITESPACE,
  isBlank,
  isNumber,
  isPointed,
  isTime,
  split,
  strip,
  withoutComment,
} from "./table_cells.js";
import { isTimeUnit } from "./table_clock.js";
import { inAMillivolt } from "./units.js";

// The layout is taken from the first lines of numbers; the lines before them are a header.
const HEAD = 100;
const MOST_BEFORE = 1000;
const SEPARATORS = ["\t", ";", "|", ","];
const ANY_SEPARATOR = /[\t\f\v;|, ]+/;
const SPACED = /[^ \t\f\v,] +[^ \t\f\v,]/;
const DAY = /[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2} [0-9]{1,2}:|:[0-9.]+ [0-9]{1,2}\/[0-9]{1,2}\/[0-9]{4}/g;
const ZERO_BEFORE = /,0[0-9]|(?:^|[\n\r])[+-]0,/;
const UNIT = /^(.*?)[ \t\f\v]*[[(]([^[\]()]*)[\])][ \t\f\v]*$/;
const VOLTS = /^(.+?)(?:[ \t\f\v]*\/[ \t\f\v]*|[_, \t\f\v][ \t\f\v]*)([mu\u00b5\u03bcn]V)$/;
// Units of other quantities in CSV files. Other text in brackets is part of the name.
const OTHER_UNITS = new Set(
  (
    "mmhg kpa % bpm 1/min /min hz \u00b0c degc celsius l ml l/min ml/min g mg m/s2 m/s^2 ohm kohm us \u00b5s \u03bcs a.u. " +
    "deg deg/s adu nu adc raw counts digital hh:mm:ss.mmm hh:mm:ss"
  ).split(" "),
);

/**
 * Return the layout of a table: {separator: string|null (one cell a line), decimal: "."|",", skip: number (lines before
 * the numbers), headings: {name, unit}[], named: boolean}
 * @param {string[]} lines
 * @param {string} text the lines as one text
 * @throws {UnreadableRecording} if it has no numbers, or its commas may be either separators or decimal marks
 */
export function layoutOf(lines, text) {
  const before = lines.slice(0, MOST_BEFORE).map((line, i) => ({ number: i + 1, line }));
  const first = before.findIndex(({ line }) => !isBlank(line) && isData(line));
  if (first < 0) throw withoutNumbers(before);
  const headers = before.slice(0, first).filter(({ line }) => !isBlank(line));
  if (headers.length > 2) throw unexpectedText(headers[1].number);
  const data = before
    .slice(first)
    .filter(({ line }) => !isBlank(line))
    .slice(0, HEAD)
    .map(({ line }) => withoutComment(line));
  const [header] = headers;
  const [separator, decimal] = separatorOf(data, header, before[first].number, text);
  const cells = split(data[0], separator);
  let names = header ? split(header.line, separator) : commented(before.slice(0, first), separator, cells.length);
  // Lines may end with a separator, and so may the names.
  let width = cells.length;
  if (width > 1 && !cells.at(-1) && (names === null || names.length < width || !names.at(-1))) width--;
  if (names !== null && names.length === width + 1 && !names.at(-1)) names = names.slice(0, -1);
  const layout = { separator, decimal, skip: first };
  if (names === null) {
    const headings = Array.from({ length: width }, (_, i) => ({ name: `column ${i + 1}`, unit: "" }));
    return { ...layout, headings, named: false };
  }
  if (header && names.length !== width) {
    const hint = separator === "," ? "; if its commas are decimal marks, separate columns with semicolons or tabs" : "";
    throw new UnreadableRecording(
      `line ${header.number} names ${names.length} columns, and line ${before[first].number} has ${width}${hint}`,
    );
  }
  let headings = names.map(headingOf);
  if (headers.length === 2) headings = withUnits(headings, headers[1], separator);
  return { ...layout, headings, named: true };
}

/** Return a heading as text for a note. */
export function writtenOf({ name, unit }) {
  return unit ? `${name} [${unit}]` : name;
}

/** Return true for a line of numbers, times and empty cells, with any separator. */
function isData(line) {
  if ([...SEPARATORS, null].some((separator) => isTime(split(line, separator)[0]))) return true;
  const tokens = withoutComment(line).replace(/["']/g, " ").split(ANY_SEPARATOR).filter(Boolean);
  return tokens.length > 0 && tokens.every((token) => isPointed(token) || isTime(token));
}

function unexpectedText(number) {
  return new UnreadableRecording(`line ${number}: holds text where numbers are expected, after one line of names`);
}

function withoutNumbers(before) {
  const found = before.filter(({ line }) => !isBlank(line));
  if (found.length < 2) return new UnreadableRecording("has no samples");
  const { number, line } = found[1];
  const separator = SEPARATORS.find((mark) => line.includes(mark)) ?? null;
  const column = split(line, separator).findIndex((cell) => !isNumber(cell)) + 1;
  return new UnreadableRecording(`line ${number}, column ${column}: must be a number`);
}

/** Return the separator of cells and the decimal mark. */
function separatorOf(data, header, at, text) {
  const [first] = data;
  let separator = SEPARATORS.find((mark) => split(first, mark).length > 1) ?? null;
  if ((separator === null || separator === ",") && SPACED.test(first.replace(DAY, "")) && !/["']/.test(first)) {
    separator = WHITESPACE;
  }
  if (separator !== ",") {
    const comma = data.some((line) => split(line, separator).some((cell) => cell.includes(",") && !isTime(cell)));
    return [separator, comma ? "," : "."];
  }
  const rows = data.map((line) => split(line, ","));
  if (rows.some((row) => row.some((cell) => cell.includes(",") && !isTime(cell)))) return [",", ","];
  if (rows[0].some(isTime) || rows.some((row) => row.some((cell) => cell.includes(".")))) return [",", "."];
  return commaOf(rows, header ? split(header.line, ",").length : null, at, text);
}

/** Return the separator and the decimal mark of a table whose only marks are commas between digits. */
function commaOf(rows, names, at, text) {
  const pairs = rows.every((row) => row.length === 2);
  const zeros = ZERO_BEFORE.test(text);
  if (pairs && (names === 1 || (names === null && zeros))) return [null, ","];
  if (zeros) {
    throw new UnreadableRecording(
      `line ${at}: its commas may be decimal marks: separate columns with semicolons or tabs, or write decimal points`,
    );
  }
  if (pairs && names === null && rows.every(([, cell]) => INTEGER.test(cell) && !/^[+-]/.test(cell))) {
    throw new UnreadableRecording(
      `line ${at}: its comma may separate two columns or be a decimal mark: name the columns in the first line`,
    );
  }
  return [",", "."];
}

/** Return the names in the comment above the numbers, as NumPy writes them, or null. */
function commented(before, separator, width) {
  const comments = before.map(({ line }) => strip(line)).filter(Boolean);
  if (!comments.length || width === 1) return null;
  const names = split(comments.at(-1).replace(/^[#%/ ]+/, ""), separator);
  return names.length === width && !names.some((name) => !name || isNumber(name)) ? names : null;
}

/** Return the name and the unit of a column's heading. */
function headingOf(cell) {
  let found = UNIT.exec(cell);
  if (found && isUnit(strip(found[2]))) return { name: found[1] || cell, unit: strip(found[2]) };
  found = VOLTS.exec(cell);
  return found ? { name: found[1], unit: found[2] } : { name: cell, unit: "" };
}

function isUnit(unit) {
  return inAMillivolt(unit) !== null || isTimeUnit(unit) || OTHER_UNITS.has(unit.toLowerCase());
}

/** Return headings with the units of the line below the names. */
function withUnits(headings, { number, line }, separator) {
  const units = split(line, separator).map((cell) => cell.replace(/^[[\]() ]+|[[\]() ]+$/g, ""));
  if (units.length !== headings.length || !units.every((unit) => !unit || isUnit(unit))) throw unexpectedText(number);
  return headings.map((heading, i) => ({ name: heading.name, unit: units[i] || heading.unit }));
}
