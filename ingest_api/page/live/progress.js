/** The progress of a recording that arrives in chunks, in words: pure functions of the gateway's document. */

import { count, dateText, durationText, number } from "../dom.js";
import { clock } from "../ecg/clock.js";

// The largest number of reasons for refused messages that are shown.
const MOST_REASONS = 5;
const DAY = /^\d{4}-\d{2}-\d{2}$/;
const ZONE = /(?:z|[+-]\d{2}:?\d{2})$/i;

/** Return the length of a recording so far in seconds. */
export const secondsOf = ({ number_of_samples: samples, sampling_rate: rate }) => samples / rate;

/** Return the gaps of a recording as `[from, to]` in seconds. */
export function gapsOf({ gaps = [], sampling_rate: rate }) {
  return gaps.map(([first, length]) => [first / rate, (first + length) / rate]);
}

/** Return the state of a recording: failed with the reason, complete, or live. */
export function stateOf({ final, error }) {
  return error ? `failed: ${error}` : final ? "complete" : "live";
}

/** Return leads, length and rate of a recording. */
export function factsOf(progress) {
  const { leads, sampling_rate: rate, date } = progress;
  return [
    count(leads.length, "lead"),
    durationText(secondsOf(progress)),
    `${number(rate)} Hz`,
    date ? `recorded ${dateText(date)}` : null,
    leads.some(({ adc_gain: gain }) => gain === null || gain === undefined)
      ? "gain not known: 1,000 ADC units/mV assumed"
      : null,
  ]
    .filter(Boolean)
    .join(" · ");
}

/** Return the progress of a recording, its gaps, and the number of changes by late samples. */
export function reachedText(progress) {
  const { complete_until: until, sampling_rate: rate, final, revision } = progress;
  const gaps = gapsOf(progress);
  const missing = gaps.reduce((sum, [from, to]) => sum + to - from, 0);
  return [
    final ? "Complete: nothing more is awaited" : `Live: complete until ${clock(until / rate, 1)}`,
    gaps.length ? `${count(gaps.length, "gap")}, ${durationText(missing)} in all` : "no gaps",
    revision ? `changed by late samples ${revision === 1 ? "once" : `${number(revision)} times`}` : null,
  ]
    .filter(Boolean)
    .join(" · ");
}

/** Return the number of refused messages of a recording, with the latest reasons, or "". */
export function refusedText({ refused }) {
  if (!refused?.number) return "";
  const reasons = (refused.latest ?? []).slice(-MOST_REASONS).join("; ");
  return `${count(refused.number, "message")} refused${reasons ? `, the latest because of: ${reasons}` : ""}`;
}

/**
 * Return the insights of a whole recording, as `{title, value, time, remark}`: the time in seconds at which it was found,
 * or null, and why there is no value.
 */
export function measurementsOf({ beats, not_computed: notComputed = {}, sampling_rate: rate }) {
  if (!beats) return notComputed.beats ? [{ title: "Beats", value: "–", time: null, remark: notComputed.beats }] : [];
  const pause = beats.longest_pause;
  return [
    ["Beats", beats.number_of_beats],
    ["Heart rate now, /min", beats.rate_now],
    ["Mean heart rate, /min", beats.mean_rate],
    ["Lowest heart rate, /min", beats.least_rate],
    ["Highest heart rate, /min", beats.most_rate],
    ["Longest pause, s", pause?.seconds, pause ? pause.first_sample / rate : null],
  ]
    .filter(([, value]) => Number.isFinite(value))
    .map(([title, value, time = null]) => ({ title, value: number(value), time, remark: "" }));
}

/**
 * Return the date and time `seconds` after the date of a recording, or null if that is unknown or a day without a time.
 * The result has a zone only if the date has one.
 */
export function dateAfter(date, seconds) {
  const zoned = ZONE.test(date ?? "");
  const time = Date.parse(!date || DAY.test(date) ? "" : zoned ? date : `${date}Z`);
  if (Number.isNaN(time)) return null;
  const text = new Date(time + seconds * 1000).toISOString();
  return zoned ? text : text.slice(0, -1);
}
