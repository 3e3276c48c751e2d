/**
 * What every reader returns, as ecg_client/recordings does:
 *
 * Recording: {date: string|null, samplingRate: number|null, leads: Lead[], notes: string[]}
 * Lead:      {name: string, signal: Float64Array|BigInt64Array, adcGain: number|null}
 *
 * Samples are integers in ADC units about the isoelectric line at zero, as BigInt64Array where one is beyond 2^53;
 * `samplingRate` is in hertz, `adcGain` in ADC units per millivolt.
 */

const CONTROL = /[\x00-\x1f\x7f]/;
const MAX_LEADS = 1024;
const MAX_LEAD_NAME = 128;
export const INT64_END = 2 ** 63;

// How many of the unit are in a millivolt; micro is written with either letter.
const IN_A_MILLIVOLT = new Map([
  ["V", 1e-3],
  ["mV", 1],
  ["uV", 1e3],
  ["\u00b5V", 1e3],
  ["\u03bcV", 1e3],
  ["nV", 1e6],
]);

/** The recording cannot be read, or is no ECG that the pipeline takes; the message says why, without any value. */
export class UnreadableRecording extends Error {}

/** Return a recording whose leads keep to the schema. */
export function checked(recording) {
  const { leads } = recording;
  if (leads.length < 1 || leads.length > MAX_LEADS) {
    throw new UnreadableRecording(`leads: must hold 1 to ${MAX_LEADS} leads, not ${leads.length}`);
  }
  leads.forEach(({ name }, i) => {
    // Code points are what the gateway counts.
    if (!name.trim() || [...name].length > MAX_LEAD_NAME || CONTROL.test(name)) {
      throw new UnreadableRecording(`leads[${i}].name: must be 1 to ${MAX_LEAD_NAME} printable characters`);
    }
  });
  return recording;
}

/** Return floats, where NaN is missing, as samples; what is missing becomes 0 and is told in the notes. */
export function samplesOf(values, name, notes) {
  const samples = new Float64Array(values.length);
  let missing = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (Number.isNaN(value)) {
      missing++;
    } else if (!(value >= -INT64_END && value < INT64_END)) {
      throw new UnreadableRecording(`${name}: must hold integers of 64 bits`);
    } else if (!Number.isInteger(value)) {
      throw new UnreadableRecording(`${name}: must hold integers; fractions, as of millivolts, need their unit`);
    } else {
      samples[i] = value;
    }
  }
  noteMissing(missing, name, notes);
  return samples;
}

export function noteMissing(missing, name, notes) {
  if (missing) notes.push(`${name}: ${missing} missing samples became 0`);
}

/** Round half to even, as NumPy does. */
export function rint(value) {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

/** Return the ADC units of one millivolt, given those of one `unit`, or null if it is no unit of volts. */
export function gainOf(units, unit) {
  const gain = units * (IN_A_MILLIVOLT.get(unit) ?? NaN);
  return gain > 0 && Number.isFinite(gain) ? gain : null;
}
