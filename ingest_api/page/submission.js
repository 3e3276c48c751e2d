/** Submissions as JSON, byte for byte as ecg_client encodes them, so that a file sent by both has the same key. */

const MAX_LABEL = 200;

/**
 * Return the body of a submission.
 * @param {string|null} label the ECG's name in its owner's list; not part of its key
 */
export function encode({ date, samplingRate, leads }, label = null) {
  const document = leads.map(
    ({ name, signal, adcGain, missing }) =>
      `{"name":${JSON.stringify(name)},"number_of_samples":${signal.length}` +
      `${adcGain === null ? "" : `,"adc_gain":${float(adcGain)}`}` +
      `${missing.length ? `,"missing":${JSON.stringify(missing)}` : ""},"signal":[${signal.join(",")}]}`,
  );
  const rate = samplingRate === null ? "" : `,"sampling_rate":${float(samplingRate)}`;
  const named = label === null ? "" : `,"label":${JSON.stringify(label)}`;
  return new TextEncoder().encode(`{"date":${JSON.stringify(date)}${named}${rate},"leads":[${document.join(",")}]}`);
}

/** Return the label for a file name, or null if the name is not a valid label. */
export function labelOf(name) {
  const label = [...name].slice(0, MAX_LABEL).join("");
  return label.trim() && !/[\x00-\x1f\x7f]/.test(label) ? label : null;
}

/** Return a number as Python writes a float: with a decimal point. */
export function float(value) {
  return Number.isInteger(value) ? value.toFixed(1) : String(value);
}

/** Return the idempotency key of a file: with it, a gateway gives the file the same id every time. */
export async function idempotencyKey(name, body) {
  const digests = await Promise.all([digest(new TextEncoder().encode(name)), digest(body)]);
  const both = new Uint8Array(digests.flatMap((bytes) => [...bytes]));
  return `file/${[...(await digest(both))].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

async function digest(bytes) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}
