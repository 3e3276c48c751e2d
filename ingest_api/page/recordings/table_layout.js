/** The layout of a table: its first line of numbers, its separator, its decimal mark and its headings. */

import { UnreadableRecording } from "./recording.js";
import {
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
const ZERO_PADDED = /^[+-]?0[0-9]+$/;
const INTEGER_PART = /^[+-]?[0-9]*$/;
const DECIMALS = /^([0-9]+)(e[+-]?[0-9]+)?[ \t\f\v]*$/i;
// Excel's hint at the separator.
const EXCEL = /^"?sep=.?"?$/i;
const THOUSANDS = { ",": /^[+-]?[1-9][0-9]{0,2}(?:,[0-9]{3})+$/, ".": /^[+-]?[1-9][0-9]{0,2}(?:\.[0-9]{3})+$/ };
const UNIT = /^(.*?)[ \t\f\v]*[[(]([^[\]()]*)[\])][ \t\f\v]*$/;
const VOLTS = /^(.+?)(?:[ \t\f\v]*\/[ \t\f\v]*|[_, \t\f\v][ \t\f\v]*)([mu\u00b5\u03bcn]V)$/;
const HINTS = {
  ",": "; if its commas are decimal marks, separate columns with semicolons or tabs",
  [WHITESPACE]: "; if names hold spaces, separate columns with semicolons or tabs",
};
// Units of other quantities in CSV files. Other text in brackets is part of the name.
const OTHER_UNITS = new Set(
  (
    "mmhg kpa % bpm 1/min /min hz \u00b0c degc celsius l ml l/min ml/min g mg m/s2 m/s^2 ohm kohm us \u00b5s \u03bcs a.u. " +
    "deg deg/s adu nu adc raw counts digital hh:mm:ss.mmm hh:mm:ss"
  ).split(" "),
);

/**
 * Return the layout of a table: {separator: string|null (one cell a line), decimal: "."|",", skip: number (lines before
 * the numbers), headings: {name, unit}[], named: boolean, indented: number|null}. `indented` is the number of the line of
 * names if it is indented and the numbers are not: the first column may have no name then, and one of the names a space.
 * @param {string[]} lines
 * @param {string} text the lines as one text
 * @throws {UnreadableRecording} if it has no numbers, or its commas may be either separators or decimal marks
 */
export function layoutOf(lines, text) {
  const before = lines.slice(0, MOST_BEFORE).map((line, i) => ({ number: i + 1, line }));
  if (before.length && EXCEL.test(before[0].line)) before[0].line = "";
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
  const at = before[first].number;
  const [separator, decimal] = separatorOf(data, header, at, text);
  const mark = decimal === "," ? "," : separator === ";" ? "." : null;
  if (mark && mayBeThousands(data, lines, separator, mark, first)) {
    const [marks, otherwise] =
      mark === "," ? ["commas", "write decimal points"] : ["points", "separate columns with commas"];
    throw new UnreadableRecording(
      `line ${at}: its ${marks} may separate thousands or be decimal marks: ` +
        `remove separators of thousands, or ${otherwise}`,
    );
  }
  const cells = split(data[0], separator);
  let names = header ? split(header.line, separator) : commented(before.slice(0, first), separator, cells.length);
  // Lines may end with a separator, and so may the names.
  let width = cells.length;
  if (width > 1 && !cells.at(-1) && (names === null || names.length < width || !names.at(-1))) width--;
  if (names !== null && names.length === width + 1 && !names.at(-1)) names = names.slice(0, -1);
  const layout = { separator, decimal, skip: first };
  if (!header) {
    if (names === null && isNumbering(cells.slice(0, width))) {
      throw new UnreadableRecording(
        `line ${at}: may number the columns or hold samples: name the columns in the first line`,
      );
    }
    if (separator === "," && decimal === "." && mayBeDecimals(data, lines, first)) {
      throw new UnreadableRecording(
        `line ${at}: its commas may separate columns or be decimal marks: name the columns in the first line`,
      );
    }
  }
  if (names === null) {
    const headings = Array.from({ length: width }, (_, i) => ({ name: `column ${i + 1}`, unit: "" }));
    return { ...layout, headings, named: false, indented: null };
  }
  // Programs that print a table write no name above the numbers of its rows.
  let isIndented = header && separator === WHITESPACE && areIndented(header.line, data);
  if (isIndented && names.length === width - 1) {
    names = ["", ...names];
    isIndented = false;
  }
  if (header && names.length !== width) {
    throw new UnreadableRecording(
      `line ${header.number} names ${names.length} columns, and line ${at} has ${width}${HINTS[separator] ?? ""}`,
    );
  }
  let headings = names.map(headingOf);
  if (headers.length === 2) headings = withUnits(headings, headers[1], separator);
  return { ...layout, headings, named: true, indented: isIndented ? header.number : null };
}

/** Return a heading as text for a note. */
export function writtenOf({ name, unit }) {
  return unit ? `${name} [${unit}]` : name;
}

/** Return true if the line of names is indented, and the lines of numbers are not. */
function areIndented(header, data) {
  return /^[ \t\f\v]/.test(header) && !data.some((line) => /^[ \t\f\v]/.test(line));
}

/** Return true for a line of numbers, times and empty cells, with any separator. */
function isData(line) {
  if ([...SEPARATORS, null].some((separator) => isTime(split(line, separator)[0]))) return true;
  const tokens = withoutComment(line).replace(/["']/g, " ").split(ANY_SEPARATOR).filter(Boolean);
  return tokens.length > 0 && tokens.every((token) => isPointed(token) || isTime(token));
}

function unexpectedText(number) {
  return new UnreadableRecording(
    `line ${number}: holds text where numbers are expected, after one line of names: remove the lines above the names`,
  );
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
  if (rows.some((row) => row.some((cell) => cell.includes(",") && !isTime(cell)))) {
    if (rows.some((row) => row.some((cell) => ZERO_PADDED.test(cell)))) throw decimalMarks(at);
    return [",", ","];
  }
  if (rows[0].some(isTime) || rows.some((row) => row.some((cell) => cell.includes(".")))) return [",", "."];
  return commaOf(rows, header ? split(header.line, ",").length : null, at, text);
}

/** Return the separator and the decimal mark of a table whose only marks are commas between digits. */
function commaOf(rows, names, at, text) {
  const pairs = rows.every((row) => row.length === 2);
  const zeros = ZERO_BEFORE.test(text);
  if (pairs && (names === 1 || (names === null && zeros))) return [null, ","];
  if (zeros) throw decimalMarks(at);
  return [",", "."];
}

function decimalMarks(at) {
  return new UnreadableRecording(
    `line ${at}: its commas may be decimal marks: separate columns with semicolons or tabs, or write decimal points`,
  );
}

/**
 * Return true if commas of a table without names, in which they are the only marks, may be decimal marks.
 *
 * Decimals follow their comma at once and without a sign. If the first line has commas with a space after them, these
 * separate columns, and the others may be decimal marks; if it has none, every second comma may be, from the right. Then
 * integers of several columns look like decimals too: they are doubted if all have one length, and are of one digit, or
 * only numbers before them have signs, or only they have exponents. Several decimals would begin with a zero somewhere,
 * which is looked for elsewhere.
 */
function mayBeDecimals(data, lines, skip) {
  const isSpaced = (cell) => cell !== withoutIndent(cell);
  const firstRow = betweenCommas(data[0]);
  const width = strip(firstRow.at(-1)) ? firstRow.length : firstRow.length - 1;
  const spaced = firstRow.slice(1, width).some(isSpaced);
  const after = firstRow.map((cell, k) => k > 0 && k < width && (spaced ? !isSpaced(cell) : (width - k) % 2 === 1));
  if (!after.includes(true) || after.some((is, k) => is && after[k - 1])) return false;
  const lengths = new Set();
  let [signs, exponents] = [false, false];
  // The first lines decide about most tables.
  for (const [rows, from] of [
    [data, 0],
    [lines, skip],
  ]) {
    for (let i = from; i < rows.length; i++) {
      if (isBlank(rows[i])) continue;
      const row = betweenCommas(withoutComment(rows[i]));
      if (row.length !== firstRow.length || row.slice(width).some(strip)) return false;
      for (let k = 0; k < width; k++) {
        if (!after[k]) {
          const integer = after[k + 1] ? withoutIndent(row[k]) : strip(row[k]);
          if (!INTEGER_PART.test(integer)) return false;
          signs ||= after[k + 1] && /^[+-]/.test(integer);
          continue;
        }
        const found = DECIMALS.exec(row[k]);
        if (!found) return false;
        lengths.add(found[1].length);
        exponents ||= found[2] !== undefined;
      }
    }
    if (width > 2 && !spaced && lengths.size > 1) return false;
  }
  return width === 2 || spaced || (lengths.size === 1 && lengths.has(1)) || signs || exponents;
}

function betweenCommas(line) {
  return strip(line).split(",");
}

function withoutIndent(text) {
  return text.replace(/^[ \t\f\v]+/, "");
}

/**
 * Return true if each mark in the numbers may separate thousands, as in 1,234. Points are decimal marks in most countries,
 * so they are doubted only in columns that have integers too.
 */
function mayBeThousands(data, lines, separator, mark, skip) {
  // The first lines decide about most tables.
  for (const [rows, from] of [
    [data, 0],
    [lines, skip],
  ]) {
    const marked = new Set();
    const bare = new Set();
    for (let i = from; i < rows.length; i++) {
      if (isBlank(rows[i])) continue;
      for (const [k, cell] of split(withoutComment(rows[i]), separator).entries()) {
        if (!cell.includes(mark)) bare.add(k);
        else if (!isTime(cell)) {
          if (!THOUSANDS[mark].test(cell)) return false;
          marked.add(k);
        }
      }
    }
    if (![...marked].some((k) => mark === "," || bare.has(k))) return false;
  }
  return true;
}

/** Return true for a line 0, 1, 2 ..., which pandas writes above columns without names, or for 1, 2, 3 ... */
function isNumbering(row) {
  const numbers = row[0] ? row : row.slice(1);
  if (!numbers.length || !(numbers[0] === "0" || (numbers[0] === "1" && numbers.length > 2))) return false;
  return (numbers.length > 1 || !row[0]) && numbers.every((cell, i) => cell === String(Number(numbers[0]) + i));
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
