/** Units of voltage, as files spell them. */

// Units per millivolt. Micro is spelled with either letter; `MV` is left out, because it may mean milli or mega.
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
// Spellings for numbers of an ADC that is not calibrated.
const UNCALIBRATED = new Set(["", "nu", "adu", "adc", "adcunits", "raw", "counts", "count", "digits", "digital", "lsb"]);

/** Return the number of units per millivolt, or null if it is not a unit of voltage. */
export function inAMillivolt(unit) {
  return IN_A_MILLIVOLT.get(unit) ?? WORDS.get(unit.toLowerCase().replace(/volts$/, "volt")) ?? null;
}

/** Return the signed number of ADC units per millivolt, given the number per `unit`, or null if there is no gain. */
export function gainOf(units, unit) {
  const factor = inAMillivolt(unit);
  if (factor === null) return null;
  const gain = units * factor;
  return gain !== 0 && Number.isFinite(gain) ? gain : null;
}

/** Return true for a unit of something other than voltage, such as `mmHg`. */
export function isOther(unit) {
  return inAMillivolt(unit) === null && !UNCALIBRATED.has(unit.toLowerCase().replaceAll(" ", ""));
}
