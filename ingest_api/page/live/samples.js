/** The samples of a recording, fetched minute by minute as they come into view, and kept in bounded memory. */

import { offsetOf } from "../ecg/rooms.js";
import { Signal } from "../ecg/signal.js";
import { Refused } from "../gateway.js";

// Browsers open six connections to a gateway, of which the stream of events takes one.
const AT_ONCE = 3;
// Milliseconds: minutes that are out of view again within this time are not fetched.
const PAUSE_MS = 100;
const MOST_BYTES = 48 * 2 ** 20;
// The gain of a lead without one: ADC units are taken as microvolts.
export const ASSUMED_GAIN = 1000;

export class Samples {
  #fetch;
  #onChange;
  #most;
  #minutes = new Map(); // index -> minute, the one that was looked at last at the end
  #loading = new Map(); // index -> AbortController
  #wanted = [];
  #progress = null;
  #timer = null;

  /**
   * @param {(index: number, signal: AbortSignal) => Promise<object>} fetch returns the samples of a minute in the form
   *   of an ECG
   * @param {() => void} onChange called when more samples are there
   * @param {number} most the bytes of samples that are kept
   */
  constructor(fetch, onChange, most = MOST_BYTES) {
    this.#fetch = fetch;
    this.#onChange = onChange;
    this.#most = most;
  }

  /** The bytes of samples that are held now. */
  get bytes() {
    return [...this.#minutes.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /**
   * Return a minute: `{leadAt(i)}`, which returns a lead in the form of `drawTrace`, `{error}` if it was refused, or
   * null until it is fetched.
   */
  get(index) {
    return this.#minutes.get(index) ?? null;
  }

  /** Take the recording's latest progress: minutes that lacked samples are fetched again when they come into view. */
  follow(progress) {
    this.#progress = progress;
    this.#later();
  }

  /** Fetch these minutes soon, and cancel the calls for others. */
  look(indices) {
    this.#wanted = indices;
    for (const [index, ending] of this.#loading) {
      if (indices.includes(index)) continue;
      ending.abort();
      this.#loading.delete(index);
    }
    for (const index of indices) {
      const minute = this.#minutes.get(index);
      if (!minute) continue;
      this.#minutes.delete(index);
      this.#minutes.set(index, minute);
    }
    this.#later();
  }

  /** Forget everything, and fetch nothing more. */
  close() {
    this.look([]);
    clearTimeout(this.#timer);
    this.#minutes.clear();
  }

  #later() {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#load();
    }, PAUSE_MS);
  }

  #load() {
    for (const index of this.#wanted) {
      if (this.#loading.size >= AT_ONCE) return;
      if (!this.#loading.has(index) && !this.#isCurrent(index)) this.#loadOne(index);
    }
  }

  async #loadOne(index) {
    const ending = new AbortController();
    this.#loading.set(index, ending);
    const progress = this.#progress;
    try {
      const minute = minuteOf(await this.#fetch(index, ending.signal));
      ending.signal.throwIfAborted();
      this.#keep(index, { ...minute, progress });
    } catch (error) {
      if (ending.signal.aborted) return;
      if (!(error instanceof Refused)) throw error;
      this.#keep(index, { error: error.message, bytes: 0, lacks: true, progress });
    }
    this.#loading.delete(index);
    this.#onChange();
    this.#load();
  }

  /** Return true if a minute is up to date: samples never change, but a minute that lacked some may have got them. */
  #isCurrent(index) {
    const minute = this.#minutes.get(index);
    if (!minute) return false;
    if (!minute.lacks) return true;
    const { progress: then } = minute;
    const now = this.#progress;
    // Before `complete_until`, only late samples change anything, and the revision counts these.
    const settled = then.final || then.complete_until >= (index + 1) * 60 * then.sampling_rate;
    if (then.revision !== now.revision) return false;
    return settled || (then.number_of_samples === now.number_of_samples && then.complete_until === now.complete_until);
  }

  #keep(index, minute) {
    this.#minutes.delete(index);
    this.#minutes.set(index, minute);
    let { bytes } = this;
    for (const [other, { bytes: freed }] of this.#minutes) {
      if (bytes <= this.#most) break;
      if (this.#wanted.includes(other)) continue;
      this.#minutes.delete(other);
      bytes -= freed;
    }
  }
}

function minuteOf({ leads, sampling_rate: rate }) {
  const drawn = [];
  const length = Math.max(...leads.map(({ signal }) => signal.length));
  return {
    bytes: leads.reduce((sum, { signal }) => sum + (signal.byteLength ?? signal.length * 8), 0),
    lacks: length < Math.round(60 * rate) || leads.some(({ missing }) => missing?.length),
    leadAt(i) {
      return (drawn[i] ??= leadOf(leads[i]));
    },
  };
}

/** Return a lead in the form of `drawTrace`, drawn around its offset. */
function leadOf({ signal: samples, adc_gain: gain, missing = [] }) {
  const own = gain ?? ASSUMED_GAIN;
  const there = received(samples, missing);
  return { drawn: new Signal(samples), gain: own, offset: there.length ? offsetOf(there, own) : 0, missing };
}

/** Return the samples that have arrived, without the zeros in place of others, which would distort a lead's level. */
function received(samples, missing) {
  if (!missing.length) return samples;
  const there = new Uint8Array(samples.length).fill(1);
  for (const [first, count] of missing) there.fill(0, first, first + count);
  return samples.filter((_, i) => there[i]);
}

/** Return two successive parts of a recording, in the form of an ECG, as one. */
export function joined(one, other) {
  const leads = one.leads.map((lead, i) => {
    const { signal, missing = [] } = other.leads[i];
    const { length } = lead.signal;
    const later = missing.map(([first, count]) => [first + length, count]);
    return { ...lead, signal: concatenated(lead.signal, signal), missing: [...(lead.missing ?? []), ...later] };
  });
  return { ...one, leads };
}

/** Return samples one after the other, in an array that holds both. */
function concatenated(one, other) {
  const Type = one.BYTES_PER_ELEMENT >= other.BYTES_PER_ELEMENT ? one.constructor : other.constructor;
  // Samples from a JSON document are in a plain array.
  if (Type === Array) return [...one, ...other];
  const both = new Type(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}
