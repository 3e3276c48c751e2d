/** Columns of a table with times or sample numbers: they are not leads, but times give the sampling rate. */

import { isLeadName } from "./channels.js";
import { rint } from "./recording.js";

const SECONDS = [
  [1, "s sec secs second seconds sek sekunden hh:mm:ss.mmm hh:mm:ss"],
  [1e-3, "ms msec msecs millisecond milliseconds millis"],
  [1e-6, "us \u00b5s \u03bcs usec microsecond microseconds micros"],
  [1e-9, "ns nsec nanosecond nanoseconds nanos"],
  [60, "min minute minutes"],
];
const IN_SECONDS = new Map(
  SECONDS.flatMap(([seconds, spellings]) => spellings.split(" ").map((spelling) => [spelling, seconds])),
);
const NAMES = [
  [1, "seconds"],
  [1e-3, "milliseconds"],
  [1e-6, "microseconds"],
  [1e-9, "nanoseconds"],
];
const TIME =
  /^(?:(?:elapsed|phone|sensor|device|local|unix|epoch|recording|relative|absolute|system|ecg)[ _-]*)*(?:time(?:[ _-]?stamps?)?|zeit(?:stempel)?|temps|tiempo|tempo|tijd|clock|date[ _-]?time|date|datum|t)(?![a-z]).*$/i;
const COUNTER = /^(?:index|idx|#|nseq|sample[ _]?(?:number|index|no|nr|#)|unnamed: [0-9]+|counter)$/i;
// These may also be names of leads; a column that rises is a counter.
const PERHAPS = /^(?:no|nr|n|row|samples?)?$/i;
// Sampling rates of ECGs. The range is narrow, so that at most one unit of a clock gives a rate within it.
const LEAST_RATE = 40;
const RATE_END = 20_000;
const FEWEST_EVEN = 3;
const FEWEST_ROUNDED = 8;
const MOST_DECIMALS = 9;
const RELATIVE = 1e-12;
const ABSOLUTE = 1e-9;
const COARSE = 5e-3;
const SPACING = 2 ** -51;
const TENS = [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

/** Return true for a unit of time. */
export function isTimeUnit(unit) {
  return IN_SECONDS.has(unit.toLowerCase());
}

/**
 * Return a column as a clock or a counter of samples, or null if it is neither: {note: string, rate: number|null (Hz),
 * deduced: string, uncertainty: number}
 * @param {{name: string, unit: string}} heading
 * @param {string} written the heading as text for a note
 * @param {{values: Float64Array|BigInt64Array, whole: boolean, resolution: number|null}} column numbers; or nanoseconds
 *   since the first, with `resolution`, the smallest step in which the times are written
 * @param {boolean} others true if the table has other columns
 */
export function clockOf({ name, unit }, written, column, others) {
  const shown = written || "a column without a name";
  const leftOut = `left out, because it is a clock: ${shown}`;
  const uneven = none(`${leftOut}; its steps are uneven, so no sampling rate is taken from it`);
  const namedTime = TIME.test(name) || isTimeUnit(unit || name);
  const isTimes = column.resolution !== null;
  if (!isTimes) {
    if (!others || isLeadName(name)) return null;
    if (!namedTime && COUNTER.test(name)) return none(`left out, because it counts samples: ${shown}`);
    if (!column.whole && !column.values.every(Number.isFinite)) return namedTime ? uneven : null;
  }
  const line = lineOf(...(isTimes ? [column.values, column.resolution] : sinceFirst(column)));
  if (!isTimes && !namedTime) {
    const perhaps = PERHAPS.test(name);
    if (!line.rises || !(line.isEven || (perhaps && line.values.length > 1))) return null;
    if (perhaps || line.steps.every((step) => step === 1)) return none(`left out, because it counts samples: ${shown}`);
  }
  const [seconds, deduced] = isTimes ? [1e-9, ""] : unitOf(name, unit, line, namedTime);
  if (line.values.length < FEWEST_EVEN) return none(`${leftOut}; it has too few rows for a sampling rate`);
  if (!line.isEven || !line.rises) return uneven;
  if (seconds === null) return none(`${leftOut}; its unit is unknown, so no sampling rate is taken from it`);
  const [rate, uncertainty] = rateOf(line, seconds);
  if (rate === null) return none(`${leftOut}; it is too coarse for a sampling rate`);
  return { note: leftOut, rate, deduced, uncertainty };
}

function none(note) {
  return { note, rate: null, deduced: "", uncertainty: 0 };
}

/** Return the properties of numbers minus the first: are they even, equal, rising, and their mean step. */
function lineOf(values, resolution, spacing = 0) {
  const steps = Float64Array.from({ length: values.length - 1 }, (_, i) => values[i + 1] - values[i]);
  const mean = values.at(-1) / (values.length - 1);
  const isEqual = steps.every((step) => Math.abs(step - steps[0]) <= Math.max(1e-6 * Math.abs(steps[0]), 2 * spacing));
  // On a straight line, within the resolution in which they are written.
  const isNear = () => values.every((value, i) => Math.abs(value - i * mean) <= resolution);
  const isEven = values.length >= FEWEST_EVEN && (isEqual || (values.length >= FEWEST_ROUNDED && isNear()));
  return { values, resolution, spacing, steps, mean, isEqual, isEven, rises: steps.every((step) => step > 0) };
}

/** Return numbers minus the first, the smallest step in which they are written, and the spacing of doubles. */
function sinceFirst({ values, whole }) {
  // As BigInt, differences are exact above 2^53.
  const since = Float64Array.from(values, (value) => Number(value - values[0]));
  if (whole) return [since, 1, 0];
  const spacing = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) * SPACING;
  let decimals = 0;
  while (decimals < MOST_DECIMALS && !areWritten(values, decimals)) decimals++;
  return [since, Math.max(1 / TENS[decimals], spacing), spacing];
}

function areWritten(values, decimals) {
  return values.every((value) => {
    const scaled = value * TENS[decimals];
    return Math.abs(scaled - rint(scaled)) <= ABSOLUTE + RELATIVE * Math.abs(scaled);
  });
}

/** Return the unit of a clock in seconds, and a note if it was deduced from the rates of ECGs. */
function unitOf(name, unit, { values, mean }, namedTime) {
  const ending = name
    .toLowerCase()
    .split(/[ _\-.,]+/)
    .at(-1);
  for (const spelling of [unit, name, ending]) {
    if (isTimeUnit(spelling) && spelling !== "min") return [IN_SECONDS.get(spelling.toLowerCase()), ""];
  }
  const step = values.length > 1 ? mean : 1;
  if (step <= 0 || (!namedTime && step >= 1) || step === 1) return [null, ""];
  const fitting = NAMES.filter(([seconds]) => {
    const rate = 1 / (step * seconds);
    return rate >= LEAST_RATE && rate < RATE_END;
  });
  if (fitting.length !== 1) return [null, ""];
  const [[seconds, plural]] = fitting;
  return [seconds, `, read as ${plural}: no other unit gives the rate of an ECG`];
}

/** Return the rate of a clock in Hz, rounded within its uncertainty, and that uncertainty, which is relative. */
function rateOf({ values, resolution, spacing, mean, isEqual }, seconds) {
  const rate = 1 / (mean * seconds);
  let uncertainty = resolution / values.at(-1);
  if (isEqual) {
    // Equal steps may be exact, or each the same rounded step.
    const rounded = resolution / mean;
    const whole = rint(rate);
    if (Math.abs(rate - whole) <= Math.max(1e-9, spacing / values.at(-1)) * rate) return [whole, uncertainty];
    if (rounded <= 1e-3) uncertainty = Math.max(uncertainty, rounded);
  }
  if (uncertainty > COARSE) return [null, uncertainty];
  for (let decimals = 0; decimals < 4; decimals++) {
    const candidate = rint(rate * TENS[decimals]) / TENS[decimals];
    if (Math.abs(candidate - rate) <= uncertainty * rate) return [candidate, uncertainty];
  }
  return [rate, uncertainty];
}
