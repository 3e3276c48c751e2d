/**
 * The result of every reader, the same as in ecg_client/recordings:
 *
 * Recording: {date: string|null, samplingRate: number|null, leads: Lead[], notes: string[]}
 * Lead:      {name: string, signal: Float64Array|BigInt64Array, adcGain: number|null, missing: [number, number][]}
 *
 * Samples are integers in ADC units with zero at the isoelectric line, in a BigInt64Array if one is beyond 2^53.
 * `samplingRate` is in hertz, `adcGain` in ADC units per millivolt. `missing` holds the ranges of samples that were not
 * recorded, first and count; the samples there are 0.
 */

const CONTROL = /[\x00-\x1f\x7f]/;
const MAX_LEADS = 1024;
const MAX_LEAD_NAME = 128;
const MAX_SAMPLING_RATE = 1e6;
export const INT64_END = 2 ** 63;

/** The recording cannot be read, or is not an ECG that the pipeline accepts; the message says why, without any value. */
export class UnreadableRecording extends Error {}

/** Return a recording whose leads and sampling rate meet the schema. */
export function checked(recording) {
  const { leads, samplingRate } = recording;
  if (leads.length < 1 || leads.length > MAX_LEADS) {
    throw new UnreadableRecording(`leads: must hold 1 to ${MAX_LEADS} leads, not ${leads.length}`);
  }
  leads.forEach(({ name, adcGain }, i) => {
    // Code points are what the gateway counts.
    if (!name.trim() || [...name].length > MAX_LEAD_NAME || CONTROL.test(name)) {
      throw new UnreadableRecording(`leads[${i}].name: must be 1 to ${MAX_LEAD_NAME} printable characters`);
    }
    if (adcGain !== null && !(adcGain > 0 && adcGain < Infinity)) {
      throw new UnreadableRecording(
        `leads[${i}].adc_gain: must be a finite number of ADC units per millivolt above 0, or null`,
      );
    }
  });
  if (samplingRate !== null && !(samplingRate > 0 && samplingRate <= MAX_SAMPLING_RATE)) {
    throw new UnreadableRecording(
      `sampling_rate: must be a number of hertz above 0, up to ${MAX_SAMPLING_RATE}, or null`,
    );
  }
  return recording;
}

/** Return floats as samples, with the same values. */
export function integers(values, name) {
  for (const value of values) {
    if (!(value >= -INT64_END && value < INT64_END)) {
      throw new UnreadableRecording(`${name}: must hold integers of 64 bits`);
    }
    if (!Number.isInteger(value)) {
      throw new UnreadableRecording(`${name}: must hold integers; fractions, such as millivolts, need a unit or a scale`);
    }
  }
  // -0 becomes 0, as in Python.
  return values.map((value) => value || 0);
}

/** Round half to even, as NumPy does. */
export function rint(value) {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
