/**
 * What a file holds, channel by channel, and which of its channels are the leads of an ECG:
 *
 * Channel: {name: string, signal: Float64Array|BigInt64Array, gain: number|null, unit: string, rate: number|null,
 *           missing: [number, number][]}
 *
 * Samples are in ADC units about zero volts, and 0 where they are missing. `gain` are the ADC units of one millivolt:
 * negative where the file stores the signal upside down, null where it does not say. `rate` is in Hz.
 */

import { countOf } from "./missing.js";
import { UnreadableRecording } from "./recording.js";
import { isOther } from "./units.js";

// EDF+ has labels begin with the type of the signal.
const TYPED = /^(?:ECG|EKG)(?![a-z])/i;
const TYPE = /^(?:ECG|EKG)[ \t\f\v]+(?=[a-z])/i;
const LEAD =
  /^(?:M?L?(?:I{1,3})|D(?:I{1,3}|[123])|-?aV[RLF]|V[1-9]R?|V|MCL[1-6]|C[MSCR][1-6]|MV[1-6]|ML?V[1-6]|v[xyz]|ES|AS|AI|lead(?![a-z]).*)$/i;
const OTHER =
  /^(?:abp|art|pap|cvp|icp|cpp|ibp|nibp|bp|pleth|ppg|spo2|sao2|resp(?:iration)?|rsp|impedance|eda|gsr|emg|eeg|eog|temp(?:erature)?|acc(?:el(?:eration|erometer)?)?|gyro|status|trigger|marker|events?|hr|pulse|et ?co2|co2|(?:air)?flow|battery|position)(?![a-z]).*$/i;

/**
 * Return the ECG of the channels that were chosen as leads, with notes of whatever is left out or changed.
 * @param {{typed?: boolean}} options whether labels begin with the type of the signal: `ECG II` is lead II
 * @throws {UnreadableRecording} if all samples of all channels are missing
 */
export function recordingOf(channels, date, notes, { typed = false } = {}) {
  const isEmpty = ({ signal, missing }) => countOf(missing) >= signal.length;
  const filled = channels.filter((channel) => !isEmpty(channel));
  const empty = channels
    .filter(isEmpty)
    .map(({ name }) => name)
    .join(", ");
  if (!filled.length) throw new UnreadableRecording(`holds no samples: all of ${empty} are missing`);
  if (empty) notes.push(`left out, as all of their samples are missing: ${empty}`);
  const leads = filled.map((channel) => leadOf(channel, notes, typed));
  const rates = [...new Set(filled.map(({ rate }) => rate))];
  if (rates.length > 1) {
    const each = leads.map(({ name }, i) => `${name}: ${hertz(filled[i].rate)}`).join(", ");
    notes.push(`its leads differ in their sampling rate, which is left out: ${each}`);
  }
  return { date, samplingRate: rates.length === 1 ? rates[0] : null, leads, notes };
}

/**
 * Return the positions of the channels that become leads, and tell in the notes which do not.
 * @param {string[]} wanted names of those to choose; if empty, those that are no ECG by their unit or name are left out
 * @throws {UnreadableRecording} if no channel is the lead of an ECG, or one that is wanted does not exist
 */
export function choose(names, units, wanted, notes, { typed = false } = {}) {
  if (wanted.length) return chooseWanted(names, wanted, typed);
  const known = names.map(isLeadName);
  const onlyKnown = typed && names.some((name) => TYPED.test(name));
  const all = names.map((_, i) => i);
  const chosen = all.filter((i) => known[i] || !(onlyKnown || OTHER.test(names[i]) || isOther(units[i])));
  const leftOut = namesAt(all.filter((i) => !chosen.includes(i)));
  if (!chosen.length) {
    throw new UnreadableRecording(`holds no ECG: ${leftOut}; to send a channel all the same, choose it as a lead`);
  }
  if (leftOut) notes.push(`left out, as they are no ECGs: ${leftOut}`);
  const unknown = namesAt(chosen.filter((i) => !known[i]));
  if (known.some(Boolean) && unknown) {
    notes.push(`taken for leads, as nothing says what they are: ${unknown}`);
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

/** Return true for the usual names of leads, and those that begin with ECG. */
export function isLeadName(name) {
  return TYPED.test(name) || LEAD.test(name);
}

function untyped(label) {
  return label.replace(TYPE, "");
}

function leadOf({ name: label, signal, gain, unit, missing }, notes, typed) {
  const name = typed ? untyped(label) : label;
  if (gain !== null && gain < 0) {
    notes.push(`${name}: is stored upside down; its samples are negated`);
    // Of a double, not -0.
    signal = signal.map((value) => (value ? -value : value));
    gain = -gain;
  }
  if (gain === null && isOther(unit)) notes.push(`${name}: its unit is none of volts, so its gain is left out`);
  if (missing.length) notes.push(`${name}: ${countOf(missing)} missing samples became 0`);
  return { name, signal, adcGain: gain, missing };
}

function hertz(rate) {
  return rate === null ? "unknown" : `${numberText(rate)} Hz`;
}

/** Return a number as notes show it: up to six decimals, without zeros at their end. */
export function numberText(value) {
  return value < 1e15 ? value.toFixed(6).replace(/\.?0+$/, "") : "over 10^15";
}
