/** JSON: a submission to the gateway. */

import { labelOf } from "../submission.js";
import { isIsoDate } from "./dates.js";
import { checkFields } from "./fields.js";
import { INT64_END, MAX_SAMPLING_RATE, UnreadableRecording } from "./recording.js";

const OF_A_SUBMISSION = ["date", "label", "leads", "sampling_rate"];
// What the gateway's answers and messages on Kafka have besides.
const OF_THE_GATEWAY = ["id", "accepted_at", "username"];
const OF_A_LEAD = ["adc_gain", "missing", "name", "number_of_samples", "signal"];
const FRACTION = /[[,]\s*-?[0-9]+[.eE]/;
const NOT_A_NUMBER = /[[,:]\s*-?(?:NaN|Infinity)\b/;

/**
 * Read a submission: `{"date"?, "sampling_rate"?, "leads": [{"name", "adc_gain"?, "missing"?, "signal": [int]}]}`.
 * @param {string} text the file
 */
export function readJson(text) {
  const document = parse(text);
  if (!isObject(document)) throw new UnreadableRecording("body: must be a JSON object");
  if (document.resourceType !== undefined) {
    throw new UnreadableRecording("is a FHIR resource, which only the command ecg reads");
  }
  checkFields(document, "", "a submission", OF_A_SUBMISSION, OF_THE_GATEWAY);
  if (!Array.isArray(document.leads)) throw new UnreadableRecording("leads: must be a list of leads");
  const leads = document.leads.map((lead, i) => {
    if (!isObject(lead)) throw new UnreadableRecording(`leads[${i}]: must be an object with name and signal`);
    checkFields(lead, `leads[${i}].`, "a lead", OF_A_LEAD);
    if (typeof lead.name !== "string")
      throw new UnreadableRecording(`leads[${i}].name: must be 1 to 128 printable characters`);
    if (!Array.isArray(lead.signal)) throw new UnreadableRecording(`leads[${i}].signal: must be a list of integers`);
    const signal = integers(lead.signal, `leads[${i}].signal`);
    const announced = lead.number_of_samples ?? null;
    if (announced !== null && announced !== signal.length) {
      throw new UnreadableRecording(`leads[${i}].number_of_samples: must be the signal's length, ${signal.length}`);
    }
    const adcGain = positive(
      lead.adc_gain,
      Infinity,
      `leads[${i}].adc_gain: must be a finite number of ADC units per millivolt above 0, or null`,
    );
    return { name: lead.name, signal, adcGain, missing: missingOf(lead.missing, signal, `leads[${i}].missing`) };
  });
  const label = document.label ?? null;
  if (label !== null && (typeof label !== "string" || labelOf(label) !== label)) {
    throw new UnreadableRecording("label: must be 1 to 200 printable characters, or null");
  }
  const date = document.date ?? null;
  if (date !== null && (typeof date !== "string" || !isIsoDate(date))) {
    throw new UnreadableRecording("date: must be an ISO 8601 date or date and time, or null");
  }
  const samplingRate = positive(
    document.sampling_rate,
    MAX_SAMPLING_RATE + 1,
    `sampling_rate: must be a number of hertz above 0, up to ${MAX_SAMPLING_RATE}, or null`,
  );
  return { date, samplingRate, leads, notes: [], label };
}

function parse(text) {
  try {
    const document = JSON.parse(text);
    return isRounded(document) || FRACTION.test(text) ? JSON.parse(text, fromSource) : document;
  } catch {
    const reason = NOT_A_NUMBER.test(text)
      ? ": NaN is not JSON: send 0 for a missing sample, and its place in `missing`"
      : "";
    throw new UnreadableRecording(`body: malformed JSON${reason}`);
  }
}

/** Return true if a sample is too large to be exact as a double. */
function isRounded(document) {
  return Boolean(
    document?.leads?.some?.((lead) => lead?.signal?.some?.((value) => typeof value === "number" && isRough(value))),
  );
}

/** Read such samples from their text, if the browser supports it, and 1.0 as the fraction that the gateway refuses. */
function fromSource(_, value, context) {
  if (typeof value !== "number" || context?.source === undefined) return value;
  const isInteger = /^-?\d+$/.test(context.source);
  if (!isInteger) return Array.isArray(this) ? NaN : value;
  return isRough(value) ? BigInt(context.source) : value;
}

function isRough(value) {
  return Number.isInteger(value) && !Number.isSafeInteger(value);
}

function integers(values, field) {
  const big = values.some((value) => typeof value === "bigint");
  for (const value of values) {
    if (typeof value !== "bigint" && !Number.isInteger(value))
      throw new UnreadableRecording(`${field}: must hold integers only: multiply fractions, and send adc_gain`);
    if (typeof value === "bigint" ? BigInt.asIntN(64, value) !== value : Math.abs(value) >= INT64_END) {
      throw new UnreadableRecording(`${field}: must hold integers of 64 bits`);
    }
    if (typeof value === "number" && !Number.isSafeInteger(value)) {
      throw new UnreadableRecording(`${field}: holds integers beyond 2^53, which this browser cannot read exactly`);
    }
  }
  return big ? BigInt64Array.from(values, BigInt) : Float64Array.from(values);
}

function missingOf(value, signal, field) {
  if (value === undefined || value === null) return [];
  const isRange = (range) => Array.isArray(range) && range.length === 2 && range.every(Number.isSafeInteger);
  if (!Array.isArray(value) || !value.every(isRange)) {
    throw new UnreadableRecording(`${field}: must be a list of ranges of samples, [first, count] each, or null`);
  }
  let end = 0;
  for (const [first, count] of value) {
    if (first < end || count < 1 || count > signal.length - first) {
      throw new UnreadableRecording(`${field}: must be ascending ranges of the signal's samples that do not overlap`);
    }
    end = first + count;
    if (signal.subarray(first, end).some((sample) => sample)) {
      throw new UnreadableRecording(`${field}: must be ranges whose samples are 0`);
    }
  }
  return value;
}

/** Return a number above 0 and below an end, or null if there is none. */
function positive(value, end, refusal) {
  if (value === undefined || value === null) return null;
  if (typeof value !== "number" || !(value > 0 && value < end)) throw new UnreadableRecording(refusal);
  return value;
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
