/** Bare numbers, as CSV files hold them, and the samples that they become. */

import { rangesOf } from "./missing.js";
import { UnreadableRecording, integers, rint } from "./recording.js";
import { inAMillivolt } from "./units.js";

// One nanovolt: far below what any electrode measures.
const FINEST = 1e6;
// Numbers were decimal before they were binary.
const RELATIVE = 1e-12;
const TENS = [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];

/**
 * Return the channels that columns become. Numbers of a known unit are scaled by a power of ten that keeps all of their
 * decimals, down to a nanovolt.
 * @param {{name: string, values: Float64Array|BigInt64Array, whole: boolean, unit: string}[]} columns NaN is missing;
 *   `whole` columns hold integers
 * @param {string} unit of the numbers whose unit the file does not tell; empty for ADC units
 */
export function channelsOf(columns, unit, rate, notes) {
  const units = columns.map((column) => (inAMillivolt(column.unit) === null ? unit : column.unit));
  const decimals = new Map();
  for (const each of new Set(units.filter(Boolean))) {
    const most = Math.max(...columns.map((column, i) => (units[i] === each ? decimalsOf(column, each) : 0)));
    decimals.set(each, most);
    if (most) notes.push(`so that no decimals are lost, an ADC unit is 0.${"1".padStart(most, "0")} ${each}`);
  }
  return columns.map((column, i) => channelOf(column, units[i], decimals.get(units[i]) ?? 0, rate, notes));
}

function channelOf({ name, values, unit: own }, unit, decimals, rate, notes) {
  const factor = inAMillivolt(unit);
  const channel = { name, unit: own, rate, gain: factor === null ? null : factor * TENS[decimals] };
  if (values instanceof BigInt64Array) {
    if (decimals) values = Float64Array.from(values, Number);
    else return { ...channel, signal: values, missing: [] };
  }
  const missing = rangesOf(values.length, (i) => Number.isNaN(values[i]));
  const present = missing.length ? values.map((value) => (Number.isNaN(value) ? 0 : value)) : values;
  if (!decimals) return { ...channel, signal: integers(present, name), missing };
  const exact = present.map((value) => value * TENS[decimals]);
  const samples = exact.map(rint);
  checkLeft(exact, samples, missing, name);
  if (!areWhole(exact)) notes.push(`${name}: is rounded to nanovolts`);
  return { ...channel, signal: integers(samples, name), missing };
}

/** Return how many decimals numbers have, at most as many as make a nanovolt. */
function decimalsOf({ values, whole }, unit) {
  if (whole) return 0;
  const present = values.filter(Number.isFinite);
  let decimals = 0;
  while (
    inAMillivolt(unit) * TENS[decimals + 1] <= FINEST &&
    !areWhole(present.map((value) => value * TENS[decimals]))
  ) {
    decimals++;
  }
  return decimals;
}

function areWhole(values) {
  return values.every((value) => Math.abs(value - rint(value)) <= RELATIVE * Math.abs(value));
}

/** Refuse what a scale makes of a signal if that is nothing. */
function checkLeft(exact, samples, missing, name) {
  const isMissing = new Set(missing.flatMap(([first, count]) => Array.from({ length: count }, (_, i) => first + i)));
  const present = (values) => values.filter((_, i) => !isMissing.has(i));
  const [before, after] = [present(exact), present(samples)];
  if (!before.length || !before.every(Number.isFinite)) return;
  if (after.every((value) => value === after[0]) && before.some((value) => value !== before[0])) {
    throw new UnreadableRecording(
      `${name}: the scale leaves nothing of the signal, as all of its samples would be equal: give another scale, or the unit`,
    );
  }
}
