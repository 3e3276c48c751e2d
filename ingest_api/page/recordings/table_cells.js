/** Lines of a table and their cells: separators, quotes, decimal marks, times. */

import { isoOf } from "./dates.js";

const NUMBER = /^[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|nan|inf(?:inity)?)$/i;
export const INTEGER = /^[+-]?[0-9]+$/;
const SCIENTIFIC = /^([+-]?)([0-9]*)\.?([0-9]*)(?:e([+-]?)0*([0-9]{1,4}))?$/i;
const DECIMAL_COMMA = /^([+-]?[0-9]*),([0-9]+(?:e[+-]?[0-9]+)?)$/i;
const DATE_TIME =
  /^([0-9]{4})[-/]([0-9]{1,2})[-/]([0-9]{1,2})[T ]+([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)? ?(Z|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])?$/;
const CLOCK_DATE =
  /^\[?([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))? ([0-9]{1,2})\/([0-9]{1,2})\/([0-9]{4})\]?$/;
const CLOCK = /^(?:([0-9]{1,3}):)?([0-9]{1,4}):([0-9]{2})(?:[.,]([0-9]{1,9}))?$/;
const COMMENTS = /^(?:#|%|\/\/)/;
export const WHITESPACE = " ";

/** Return the lines of a text without their line breaks (LF, CR or CRLF). */
export function linesOf(text) {
  const lines = text.split(/\r\n|\n|\r/);
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

export function strip(text) {
  return text.replace(/^[ \t\f\v]+|[ \t\f\v]+$/g, "");
}

/** Return true for an empty line or a comment. */
export function isBlank(line) {
  const stripped = strip(line);
  return !stripped || COMMENTS.test(stripped);
}

/** Return a line of numbers without a comment at its end. */
export function withoutComment(line) {
  return line.split("#", 1)[0];
}

/** Return the cells of a line, without quotes and surrounding space; without a separator the line is one cell. */
export function split(line, separator) {
  if (separator === null) return [bare(line)];
  if (separator === WHITESPACE) {
    return strip(line)
      .split(/[ \t\f\v]+/)
      .map(bare);
  }
  if (!/["']/.test(line)) return line.split(separator).map(strip);
  const cells = [];
  let cell = "";
  let quote = "";
  for (const character of line) {
    if (quote) {
      if (character === quote) quote = "";
      cell += character;
    } else if (character === separator) {
      cells.push(bare(cell));
      cell = "";
    } else {
      if ((character === '"' || character === "'") && !strip(cell)) quote = character;
      cell += character;
    }
  }
  return [...cells, bare(cell)];
}

function bare(text) {
  const cell = strip(text);
  const [quote] = cell;
  if (cell.length > 1 && (quote === '"' || quote === "'") && cell.endsWith(quote)) {
    return strip(cell.slice(1, -1).replaceAll(quote + quote, quote));
  }
  return cell;
}

/** Return a number with its decimal comma replaced by a point, and any other text unchanged. */
export function withPoint(cell) {
  return cell.replace(DECIMAL_COMMA, "$1.$2");
}

/** Return true for an integer or a number with a decimal point. */
export function isPointed(cell) {
  return NUMBER.test(cell);
}

/** Return true for a number with either decimal mark. */
export function isNumber(cell) {
  return NUMBER.test(cell) || DECIMAL_COMMA.test(cell);
}

/** Return true for a date with a time, and for a time with colons. */
export function isTime(cell) {
  return nanoseconds(cell) !== null;
}

/**
 * Return a date and time as {days, time (nanoseconds), decimals (their number)}, a time alone with 0 days, or null if the
 * cell is neither.
 */
export function nanoseconds(cell) {
  let found = DATE_TIME.exec(cell);
  if (found) return dated(found[1], found[2], found[3], found.slice(4, 8));
  found = CLOCK_DATE.exec(cell);
  if (found) return dated(found[7], found[6], found[5], found.slice(1, 5));
  found = CLOCK.exec(cell);
  return found && { days: 0, time: ofClock(found.slice(1)), decimals: (found[4] ?? "").length };
}

/** Return a date and time in ISO 8601, with its time zone if given, or null if the cell is not one. */
export function isoDate(cell) {
  const found = DATE_TIME.exec(cell);
  if (!found || nanoseconds(cell) === null) return null;
  const [, year, month, day, hours, minutes, seconds = "00", fraction = "", zone = ""] = found;
  const digits = fraction.slice(0, 6).replace(/0+$/, "");
  const zoned = zone === "Z" ? "+00:00" : zone.replace(/^(...)([0-9]{2})$/, "$1:$2");
  const two = (text) => text.padStart(2, "0");
  const rest = digits ? `.${digits.padEnd(6, "0")}` : "";
  return `${year}-${two(month)}-${two(day)}T${two(hours)}:${minutes}:${seconds}${rest}${zoned}`;
}

/** Return the value of a number with a decimal point, or NaN. */
export function valueOf(cell) {
  const lower = cell.toLowerCase();
  if (lower.includes("nan")) return NaN;
  if (lower.includes("inf")) return lower.startsWith("-") ? -Infinity : Infinity;
  return Number(cell);
}

/** Return the exact value of a number with a decimal point, below 2^64, as a BigInt, or null if it is not an integer. */
export function wholeNumber(cell) {
  const found = SCIENTIFIC.exec(cell);
  if (!found) return null;
  const [, sign, before, after, below = "", exponent = "0"] = found;
  const digits = (before + after).replace(/^0+/, "");
  if (!digits) return 0n;
  const point = digits.length - after.length + Number(below + exponent);
  if (/[1-9]/.test(digits.slice(Math.max(point, 0)))) return null;
  const value = BigInt(digits.slice(0, Math.max(point, 0)).padEnd(point, "0"));
  return sign === "-" ? -value : value;
}

function dated(year, month, day, clock) {
  const [hours, minutes, seconds = "0"] = clock;
  if (isoOf(Number(year), Number(month), Number(day), Number(hours), Number(minutes), Number(seconds)) === null) {
    return null;
  }
  const date = new Date(0);
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  return { days: date.getTime() / 86_400_000, time: ofClock(clock), decimals: (clock[3] ?? "").length };
}

function ofClock([hours = "0", minutes = "0", seconds = "0", fraction = ""]) {
  const whole = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
  return whole * 1e9 + Number(fraction.padEnd(9, "0"));
}
