/** Bare numbers of CSV files, and their conversion to samples. */

import { rangesOf } from "./missing.js";
import { UnreadableRecording, integers, rint } from "./recording.js";
import { inAMillivolt } from "./units.js";

// Per millivolt: a nanovolt is far below the noise of any electrode.
const FINEST = 1e6;
// The decimals of a file are not exact as doubles.
const RELATIVE = 1e-12;
const TENS = [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];

/**
 * Return a channel for each column. Numbers with a known unit are scaled by a power of ten that keeps all their decimals,
 * down to a nanovolt.
 * @param {{name: string, values: Float64Array|BigInt64Array, whole: boolean, missing: boolean[]|null, unit: string}[]}
 *   columns NaN is a missing sample, and so are those marked in `missing`; `whole` columns hold integers
 * @param {string} unit of numbers whose unit the file does not state; empty for ADC units
 */
export function channelsOf(columns, unit, rate, notes) {
  const units = columns.map((column) => {
    if (!column.unit) return unit;
    return inAMillivolt(column.unit) === null ? "" : column.unit;
  });
  const other = columns.filter((column, i) => column.unit && !units[i]).map(({ name }) => name);
  if (unit && other.length) {
    notes.push(`the given unit is not used, because the file states its own: ${other.join(", ")}`);
  }
  const decimals = new Map();
  for (const each of new Set(units.filter(Boolean))) {
    const most = columns.reduce((high, column, i) => Math.max(high, units[i] === each ? decimalsOf(column, each) : 0), 0);
    decimals.set(each, most);
    if (most) notes.push(`so that no decimals are lost, an ADC unit is 0.${"1".padStart(most, "0")} ${each}`);
  }
  return columns.map((column, i) => channelOf(column, units[i], decimals.get(units[i]) ?? 0, rate, notes));
}

function channelOf({ name, values, missing: absent, unit: own }, unit, decimals, rate, notes) {
  const factor = inAMillivolt(unit);
  const channel = { name, unit: own, rate, gain: factor === null ? null : factor * TENS[decimals] };
  if (values instanceof BigInt64Array) {
    if (decimals) values = Float64Array.from(values, Number);
    else return { ...channel, signal: values, missing: rangesOf(values.length, (i) => absent?.[i]) };
  }
  const missing = rangesOf(values.length, (i) => absent?.[i] || Number.isNaN(values[i]));
  const present = missing.length ? values.map((value) => (Number.isNaN(value) ? 0 : value)) : values;
  if (!decimals) return { ...channel, signal: integers(present, name), missing };
  const exact = present.map((value) => value * TENS[decimals]);
  const samples = exact.map(rint);
  checkLeft(exact, samples, missing, name);
  if (!areWhole(exact)) notes.push(`${name}: is rounded to nanovolts`);
  return { ...channel, signal: integers(samples, name), missing };
}

/** Return the largest number of decimals of the numbers, at most down to a nanovolt. */
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

/** Refuse a scale that leaves nothing of a signal. */
function checkLeft(exact, samples, missing, name) {
  const isMissing = new Uint8Array(exact.length);
  for (const [first, count] of missing) isMissing.fill(1, first, first + count);
  const present = (values) => values.filter((_, i) => !isMissing[i]);
  const [before, after] = [present(exact), present(samples)];
  if (!before.length || !before.every(Number.isFinite)) return;
  if (after.every((value) => value === after[0]) && before.some((value) => value !== before[0])) {
    throw new UnreadableRecording(
      `${name}: the scale leaves nothing of the signal, because all samples would be equal: give another scale, or the unit`,
    );
  }
}
