/** An ECG as the gateway gives it, ready to be drawn. */

import { filtered, isPossible } from "./filters.js";
import { layoutsOf, overviewOf } from "./layout.js";
import { wavesOf } from "./marks.js";
import { medianBeat } from "./median_beat.js";
import { reachOf } from "./rooms.js";
import { Signal } from "./signal.js";

// The lead that the overview shows first, if there is one of these.
const RHYTHM = /^(?:ml)?ii$/i;

export class Electrocardiogram {
  #filtered = { key: "", signals: [] };
  #beat = { key: "", beat: null };

  /**
   * @param {object} ecg the gateway's document of the ECG
   * @param {object} insights the gateway's document of its insights, which may lack anything
   */
  constructor(ecg, insights) {
    this.ecg = ecg;
    this.insights = insights;
    this.leads = ecg.leads;
    this.signals = ecg.leads.map((lead) => new Signal(lead.signal));
    this.layouts = layoutsOf(ecg.leads.map((lead) => lead.name));
    this.beats = Float64Array.from(insights.ecg?.rhythm?.beats ?? []);
    this.waves = wavesOf(insights.ecg?.intervals);
    this.intervals = insights.ecg?.intervals ?? {};
    this.reasons = ecg.leads.map((_, i) => reasonsOf(insights.leads?.[i]?.quality));
  }

  get isEmpty() {
    return !this.signals.some((signal) => signal.length);
  }

  get rhythmLead() {
    return Math.max(
      this.names.findIndex((name) => RHYTHM.test(name)),
      0,
    );
  }

  get names() {
    return this.layouts[0].names;
  }

  secondsAt(rate) {
    return Math.max(...this.signals.map((signal) => signal.length)) / rate;
  }

  /**
   * Return the ECG in the form of `drawPaper`; `rate` and `gain` are those assumed where the recording has none.
   * @param {object} options `{kind, lead, rate, gain, filters, showCrossings, showBeats}`: the layout's kind, and the
   *   lead of the overview
   */
  sheet({ kind, lead, rate, gain, filters, showCrossings, showBeats }) {
    const samplingRate = this.ecg.sampling_rate ?? rate;
    const possible = filters.filter((name) => isPossible(name, samplingRate));
    const drawn = this.#drawn(possible, samplingRate);
    return {
      layout:
        kind === "overview"
          ? overviewOf(this.names, lead, this.secondsAt(samplingRate))
          : (this.layouts.find((layout) => layout.kind === kind) ?? this.layouts[0]),
      leads: this.leads.map(({ adc_gain: own, missing }, i) => ({
        signal: this.signals[i],
        drawn: drawn[i],
        gain: own ?? gain,
        // Of what is drawn: without its wander, a lead needs less room.
        reach: reachOf(drawn[i], own ?? gain, samplingRate),
        missing: missing ?? [],
        reasons: this.reasons[i],
      })),
      samplingRate,
      filters: possible,
      showCrossings,
      beats: showBeats && this.beats.length ? { positions: this.beats, waves: this.waves } : null,
    };
  }

  /** Return the median beat, as `medianBeat` does; `gain` is that assumed where a lead has none. */
  medianBeat(rate, gain) {
    const key = `${rate} ${gain}`;
    if (this.#beat.key !== key) {
      const leads = this.leads.map(({ adc_gain: own }, i) => ({ samples: this.signals[i].samples, gain: own ?? gain }));
      this.#beat = { key, beat: medianBeat(leads, this.beats, rate) };
    }
    return this.#beat.beat;
  }

  #drawn(filters, rate) {
    if (!filters.length) return this.signals;
    const key = `${filters} ${rate}`;
    if (this.#filtered.key !== key) {
      const signals = this.signals.map(({ samples }) => Signal.filtered(filtered(samples, filters, rate)));
      this.#filtered = { key, signals };
    }
    return this.#filtered.signals;
  }
}

function reasonsOf(quality) {
  return quality && quality.usable === false ? [(quality.reasons ?? []).join(", ") || "not usable"] : [];
}
