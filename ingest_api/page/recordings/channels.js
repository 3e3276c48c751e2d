/**
 * The channels of a file, and the choice of those that are leads of an ECG:
 *
 * Channel: {name: string, signal: Float64Array|BigInt64Array, gain: number|null, unit: string, rate: number|null,
 *           missing: [number, number][]}
 *
 * Samples are in ADC units with 0 at zero volts, and 0 where they are missing. `gain` is the number of ADC units per
 * millivolt: negative if the file stores the signal upside down, null if unknown. `rate` is in Hz.
 */

import { countOf } from "./missing.js";
import { UnreadableRecording } from "./recording.js";
import { isOther } from "./units.js";

// In EDF+, labels begin with the type of the signal.
const TYPED = /^(?:ECG|EKG)(?![a-z])/i;
const TYPE = /^(?:ECG|EKG)[ \t\f\v]+(?=[a-z])/i;
const LEAD =
  /^(?:M?L?(?:I{1,3})|D(?:I{1,3}|[123])|-?aV[RLF]|V[1-9]R?|V|MCL[1-6]|C[MSCR][1-6]|MV[1-6]|ML?V[1-6]|v[xyz]|ES|AS|AI|lead(?![a-z]).*)$/i;
const OTHER =
  /^(?:abp|art|pap|cvp|icp|cpp|ibp|nibp|bp|pleth|ppg|spo2|sao2|resp(?:iration)?|rsp|impedance|eda|gsr|emg|eeg|eog|temp(?:erature)?|acc(?:el(?:eration|erometer)?)?|gyro|status|trigger|marker|events?|hr|pulse|et ?co2|co2|(?:air)?flow|battery|position)(?![a-z]).*$/i;

/**
 * Return the recording of the channels that were chosen as leads; notes list everything left out or changed.
 * @param {{typed?: boolean}} options `typed` if names begin with the type of the signal: `ECG II` is lead II
 * @throws {UnreadableRecording} if all samples of all channels are missing
 */
export function recordingOf(channels, date, notes, { typed = false } = {}) {
  const isEmpty = ({ signal, missing }) => countOf(missing) >= signal.length;
  const filled = channels.filter((channel) => !isEmpty(channel));
  const empty = channels
    .filter(isEmpty)
    .map(({ name }) => name)
    .join(", ");
  if (!filled.length) throw new UnreadableRecording(`has no samples: all samples of ${empty} are missing`);
  if (empty) notes.push(`left out, because all of their samples are missing: ${empty}`);
  const leads = filled.map((channel) => leadOf(channel, notes, typed));
  const rates = [...new Set(filled.map(({ rate }) => rate))];
  if (rates.length > 1) {
    const each = leads.map(({ name }, i) => `${name}: ${hertz(filled[i].rate)}`).join(", ");
    notes.push(`its leads have different sampling rates, so none is sent: ${each}`);
  }
  return { date, samplingRate: rates.length === 1 ? rates[0] : null, leads, notes };
}

/**
 * Return the positions of the channels that become leads; a note lists the others.
 * @param {string[]} wanted the names of the channels to choose; if empty, channels whose unit or name is not an ECG's are
 *   left out
 * @throws {UnreadableRecording} if no channel is a lead of an ECG, or a wanted channel does not exist
 */
export function choose(names, units, wanted, notes, { typed = false } = {}) {
  if (wanted.length) return chooseWanted(names, wanted, typed);
  const known = names.map(isLeadName);
  const onlyKnown = typed && names.some((name) => TYPED.test(name));
  const all = names.map((_, i) => i);
  const chosen = all.filter((i) => known[i] || !(onlyKnown || OTHER.test(names[i]) || isOther(units[i])));
  const leftOut = namesAt(all.filter((i) => !chosen.includes(i)));
  if (!chosen.length) {
    throw new UnreadableRecording(`has no ECG leads: ${leftOut}; to send a channel anyway, name it as a lead`);
  }
  if (leftOut) notes.push(`left out, because they are not ECG leads: ${leftOut}`);
  const unknown = namesAt(chosen.filter((i) => !known[i]));
  if (known.some(Boolean) && unknown) {
    notes.push(`read as leads, although their names are unknown: ${unknown}`);
  }
  return chosen;

  function namesAt(positions) {
    return positions.map((i) => names[i]).join(", ");
  }
}

function chooseWanted(names, wanted, typed) {
  const positions = new Set();
  for (const name of wanted) {
    const found = names.flatMap((other, i) => (name === other || (typed && name === untyped(other)) ? [i] : []));
    if (!found.length) throw new UnreadableRecording(`has no lead ${name}: its channels are ${names.join(", ")}`);
    found.forEach((i) => positions.add(i));
  }
  return [...positions];
}

/** Return true for the usual names of leads, and for names that begin with ECG. */
export function isLeadName(name) {
  return TYPED.test(name) || LEAD.test(name);
}

function untyped(label) {
  return label.replace(TYPE, "");
}

function leadOf({ name: label, signal, gain, unit, missing }, notes, typed) {
  const name = typed ? untyped(label) : label;
  if (gain !== null && gain < 0) {
    notes.push(`${name}: is stored upside down, so its samples are negated`);
    // -0 would not equal 0.
    signal = signal.map((value) => (value ? -value : value));
    gain = -gain;
  }
  if (gain === null && isOther(unit)) notes.push(`${name}: its unit is not a unit of voltage, so its gain is left out`);
  if (missing.length) notes.push(`${name}: ${countOf(missing)} missing samples became 0`);
  return { name, signal, adcGain: gain, missing };
}

function hertz(rate) {
  return rate === null ? "unknown" : `${numberText(rate)} Hz`;
}

/** Return a number as text for a note: up to six decimals, without trailing zeros. */
export function numberText(value) {
  return value < 1e15 ? value.toFixed(6).replace(/\.?0+$/, "") : "over 10^15";
}
