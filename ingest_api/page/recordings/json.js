/** JSON: a submission to the gateway. */

import { labelOf } from "../submission.js";
import { INT64_END, UnreadableRecording } from "./recording.js";

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
  if (!Array.isArray(document.leads)) throw new UnreadableRecording("leads: must be a list of leads");
  const leads = document.leads.map((lead, i) => {
    if (!isObject(lead)) throw new UnreadableRecording(`leads[${i}]: must be an object with name and signal`);
    if (typeof lead.name !== "string")
      throw new UnreadableRecording(`leads[${i}].name: must be 1 to 128 printable characters`);
    if (!Array.isArray(lead.signal)) throw new UnreadableRecording(`leads[${i}].signal: must be a list of integers`);
    const signal = integers(lead.signal, `leads[${i}].signal`);
    const announced = lead.number_of_samples ?? null;
    if (announced !== null && announced !== signal.length) {
      throw new UnreadableRecording(`leads[${i}].number_of_samples: must be the signal's length, ${signal.length}`);
    }
    const adcGain = positive(lead.adc_gain, `leads[${i}].adc_gain`);
    return { name: lead.name, signal, adcGain, missing: missingOf(lead.missing, signal, `leads[${i}].missing`) };
  });
  const label = document.label ?? null;
  if (label !== null && (typeof label !== "string" || labelOf(label) !== label)) {
    throw new UnreadableRecording("label: must be 1 to 200 printable characters, or null");
  }
  const date = document.date ?? null;
  if (date !== null && typeof date !== "string") {
    throw new UnreadableRecording("date: must be an ISO 8601 date or date and time, or null");
  }
  return { date, samplingRate: positive(document.sampling_rate, "sampling_rate"), leads, notes: [], label };
}

function parse(text) {
  try {
    const document = JSON.parse(text);
    return isRounded(document) ? JSON.parse(text, fromSource) : document;
  } catch {
    throw new UnreadableRecording("body: malformed JSON");
  }
}

/** Return true if a sample is too large to be exact as a double. */
function isRounded(document) {
  return Boolean(
    document?.leads?.some?.((lead) => lead?.signal?.some?.((value) => typeof value === "number" && isRough(value))),
  );
}

/** Read such samples from their text, if the browser supports it. */
function fromSource(_, value, context) {
  return typeof value === "number" && isRough(value) && /^-?\d+$/.test(context?.source ?? "")
    ? BigInt(context.source)
    : value;
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

function positive(value, field) {
  if (value === undefined || value === null) return null;
  if (typeof value !== "number" || !(value > 0)) throw new UnreadableRecording(`${field}: must be a number over 0`);
  return value;
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
