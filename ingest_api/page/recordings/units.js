/** Units of voltage, as the headers of files write them. */

// How many of the unit are in a millivolt; micro is written with either letter. `MV` may be meant as milli or as mega.
const IN_A_MILLIVOLT = new Map([
  ["V", 1e-3],
  ["mV", 1],
  ["uV", 1e3],
  ["\u00b5V", 1e3],
  ["\u03bcV", 1e3],
  ["nV", 1e6],
  ["v", 1e-3],
  ["mv", 1],
  ["uv", 1e3],
  ["UV", 1e3],
  ["\u00b5v", 1e3],
  ["\u03bcv", 1e3],
  ["nv", 1e6],
  ["NV", 1e6],
]);
const WORDS = new Map([
  ["volt", 1e-3],
  ["millivolt", 1],
  ["microvolt", 1e3],
  ["nanovolt", 1e6],
]);
// What stands for a voltage that nobody has calibrated.
const UNCALIBRATED = new Set(["", "nu", "adu", "adc", "adcunits", "raw", "counts", "count", "digits", "digital", "lsb"]);

/** Return how many of a unit are in a millivolt, or null if it is no unit of voltage. */
export function inAMillivolt(unit) {
  return IN_A_MILLIVOLT.get(unit) ?? WORDS.get(unit.toLowerCase().replace(/volts$/, "volt")) ?? null;
}

/** Return the ADC units of one millivolt, given those of one `unit`, with their sign, or null if there is no gain. */
export function gainOf(units, unit) {
  const factor = inAMillivolt(unit);
  if (factor === null) return null;
  const gain = units * factor;
  return gain !== 0 && Number.isFinite(gain) ? gain : null;
}

/** Return true for the unit of something that is no voltage, such as `mmHg`. */
export function isOther(unit) {
  return inAMillivolt(unit) === null && !UNCALIBRATED.has(unit.toLowerCase().replaceAll(" ", ""));
}
