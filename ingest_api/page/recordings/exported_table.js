/** Tables that `ecg show --csv` writes: a column of samples for each lead, below a line that describes them. */

import { choose } from "./channels.js";
import { isIsoDate } from "./dates.js";
import { rangesOf } from "./missing.js";
import { UnreadableRecording, integers } from "./recording.js";
import { columnsOf } from "./table_columns.js";

const FIRST = /^# ECG in ADC units: (.*)$/s;
const HEAD_LINES = 2;

/**
 * Return the description of such a table, or null if the lines are another table: {sampling_rate, date, leads: {name,
 * number_of_samples, adc_gain}[]}
 * @throws {UnreadableRecording} if the description is broken
 */
export function descriptionOf(lines) {
  const found = FIRST.exec(lines[0] ?? "");
  if (!found) return null;
  let described = null;
  try {
    described = JSON.parse(found[1]);
  } catch {
    // refused below
  }
  const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
  const isOr = (value, type) => (value ?? null) === null || typeof value === type;
  const isLead = (lead) =>
    isObject(lead) &&
    typeof lead.name === "string" &&
    Number.isSafeInteger(lead.number_of_samples) &&
    lead.number_of_samples >= 0 &&
    isOr(lead.adc_gain, "number");
  if (
    !isObject(described) ||
    !isOr(described.sampling_rate, "number") ||
    !isOr(described.date, "string") ||
    !Array.isArray(described.leads) ||
    !described.leads.length ||
    !described.leads.every(isLead)
  ) {
    throw new UnreadableRecording("line 1: must describe the leads as `ecg show --csv` writes it");
  }
  return described;
}

/**
 * Return the recording that was written.
 * @throws {UnreadableRecording} if the table does not agree with its description, or holds other numbers than samples
 */
export function readExported(lines, described, unit, wanted, notes) {
  const names = described.leads.map(({ name }) => name);
  if (unit) notes.push(`the given unit is not used, because the file states its own: ${names.join(", ")}`);
  const numbers = columnsOf(lines, ",", ".", HEAD_LINES, names.length).filter(({ first }) => first === undefined);
  if (numbers.length !== names.length) {
    throw new UnreadableRecording(
      `line 1: describes ${names.length} leads, and the table has ${numbers.length} of numbers`,
    );
  }
  const longest = described.leads.reduce((most, lead) => Math.max(most, lead.number_of_samples), 0);
  const rows = numbers[0].values.length;
  if (rows !== longest) {
    throw new UnreadableRecording(`line 1: announces ${longest} lines of samples, and the table has ${rows}`);
  }
  const all = names.map((_, i) => i);
  const units = names.map(() => "");
  const chosen = wanted.length ? choose(names, units, wanted, notes) : all;
  const leads = chosen.map((i) => leadOf(described.leads[i], numbers[i]));
  const date = described.date ?? null;
  if (date !== null && !isIsoDate(date)) {
    throw new UnreadableRecording("date: must be an ISO 8601 date or date and time, or null");
  }
  return { date, samplingRate: described.sampling_rate ?? null, leads, notes };
}

function leadOf({ name, number_of_samples: length, adc_gain: adcGain }, { values, missing: absent }) {
  const isMissing = (i) => absent?.[i] || Number.isNaN(values[i]);
  if (values.subarray(length).some((_, i) => !isMissing(length + i))) {
    throw new UnreadableRecording(`${name}: has more samples than the ${length} that line 1 announces`);
  }
  const own = values.slice(0, length);
  const missing = rangesOf(length, isMissing);
  const signal = own instanceof BigInt64Array ? own : integers(own.map((value) => value || 0), name);
  return { name, signal, adcGain: adcGain ?? null, missing };
}
