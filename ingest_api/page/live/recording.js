/** The open recording: its rates, all its minutes, and its insights so far; a part of it opens on the sheet. */

import { dateText, element, find, number } from "../dom.js";
import { clock, secondsOf as secondsOfText } from "../ecg/clock.js";
import { RateStrip } from "../ecg/heart_rate.js";
import { LINE_SECONDS } from "../ecg/layout.js";
import { spelled } from "../ecg/lead_names.js";
import { Refused, sleep } from "../gateway.js";
import { Disclosure } from "./disclosure.js";
import * as words from "./progress.js";
import { Samples, joined } from "./samples.js";
import { trendOf } from "./trend.js";

// Milliseconds between two calls for a recording with news every second: each call is recorded in the audit.
const PACE_MS = 2000;
// Milliseconds after which a live recording is fetched even without news.
const PATIENCE_MS = 10_000;
// Minutes in a call: a day.
const MINUTES = 1440;
// The length of the segments in which beats are found, and of the margin behind each.
const SEGMENT_SECONDS = 10;
const MARGIN_SECONDS = 2;
const TEXTS = ["#recording-title", "#recording-facts", "#recording-state", "#recording-refused", "#recording-error"];

export class RecordingView {
  #viewer;
  #go;
  #strip = new RateStrip(find("#trend"), (time) => this.#goTo(time));
  #disclosure = new Disclosure(find("#disclosure"), {
    open: (time) => this.#go(time),
    move: () => this.#moved(),
    jump: () => {
      find("#minute").focus();
      find("#minute").select();
    },
    more: (by) => {
      const select = find("#disclosed-gain");
      select.selectedIndex = Math.min(Math.max(select.selectedIndex + by, 0), select.options.length - 1);
      this.#show();
    },
  });
  #gateway = null;
  #ending = new AbortController();
  #id = null;
  #name = null;
  #progress = null;
  #minutes = new Map(); // minute -> its rates, without its beats
  #counted = null; // the recording's state when its minutes were fetched: {revision, final, segments}
  #samples = null;
  // The time at which the part on the sheet begins, or null while all minutes are shown.
  #time = null;
  #news = false;
  #wake = () => {};

  /**
   * @param {Viewer} viewer shows parts
   * @param {(time: number|null) => void} go called with the time of a part that the reader opens, or null for all minutes
   */
  constructor(viewer, go) {
    this.#viewer = viewer;
    this.#go = go;
    for (const id of ["#disclosed-lead", "#disclosed-gain"]) find(id).addEventListener("change", () => this.#show());
    find("#part-seconds").addEventListener("change", () => {
      this.#disclosure.seconds = this.#seconds;
      if (this.#time === null) this.#moved();
      else this.#openPart();
    });
    find("#part-all").addEventListener("click", () => this.#go(null));
    find("#part-before").addEventListener("click", () => this.#go(Math.max(this.#time - this.#seconds, 0)));
    find("#part-after").addEventListener("click", () => this.#go(this.#time + this.#seconds));
    find("#minute-form").addEventListener("submit", (event) => this.#jump(event));
    find("#follow").addEventListener("change", () => this.#show());
    // When the reader scrolls away from the end, the page must not scroll back there.
    for (const type of ["wheel", "pointerdown"])
      find("#disclosure").addEventListener(type, () => (find("#follow").checked = false), { passive: true });
  }

  /** The id and the title of the open recording. */
  get opened() {
    return { id: this.#id, title: find("#recording-title").textContent };
  }

  /** Close the open recording; from now on show recordings of this gateway's user, or none. */
  reset(gateway = null) {
    this.#ending.abort();
    this.#samples?.close();
    this.#gateway = gateway;
    this.#id = null;
    this.#progress = null;
    this.#minutes = new Map();
    this.#counted = null;
    find("#recording").hidden = true;
    find("#recording-content").hidden = true;
    for (const id of [...TEXTS, "#disclosure-place"]) find(id).textContent = "";
    for (const id of ["#recording-measurements", "#recording-leads"]) find(id).replaceChildren();
    find("#erase").hidden = false;
  }

  /** Open a recording, at all its minutes or at the part that begins at a time; `name` is its name in the list. */
  open(id, name, time) {
    const opens = id !== this.#id;
    if (opens) {
      this.reset(this.#gateway);
      this.#begin(id, name);
    }
    this.#time = time;
    this.#arrange(opens);
  }

  /** Take an event of a recording, or null if events may have been missed. */
  hear(event) {
    if (event && event.id !== this.#id) return;
    this.#news = true;
    this.#wake();
  }

  get #seconds() {
    return Number(find("#part-seconds").value);
  }

  #begin(id, name) {
    const ending = (this.#ending = new AbortController());
    this.#id = id;
    this.#name = name ?? null;
    find("#recording-title").textContent = name ?? "Recording";
    find("#recording-facts").textContent = "Loading …";
    find("#follow").checked = true;
    find("#disclosed-gain").value = "0.25";
    this.#disclosure.time = 0;
    this.#disclosure.seconds = this.#seconds;
    this.#samples = new Samples(
      (minute, signal) => {
        const { sampling_rate: rate, number_of_samples: samples } = this.#progress;
        const [first, end] = [minute, minute + 1].map((at) => Math.min(Math.round(at * LINE_SECONDS * rate), samples));
        return this.#fetch(first, end, signal);
      },
      () => {
        this.#disclosure.redraw();
        this.#mark();
      },
    );
    this.#run(ending.signal).catch((error) => {
      if (!ending.signal.aborted) throw error;
    });
  }

  /** Follow the recording until another one is opened. */
  async #run(signal) {
    for (;;) {
      this.#news = false;
      try {
        const progress = await this.#gateway.progress(this.#id, signal, (problem) => {
          if (!this.#progress) find("#recording-facts").textContent = problem ? "Waiting for the server …" : "Loading …";
        });
        signal.throwIfAborted();
        find("#recording-error").textContent = "";
        if (progress) {
          this.#take(progress);
          await this.#loadMinutes(signal);
        } else find("#recording-facts").textContent = "Accepted, being processed";
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof Refused)) throw error;
        if (!this.#progress) find("#recording-facts").textContent = "";
        find("#recording-error").textContent = error.message;
        if (error.status === 404) {
          // It was erased meanwhile, or is not this user's.
          find("#recording-content").hidden = true;
          this.#viewer.close();
          find("#nothing").hidden = true;
          return;
        }
      }
      await sleep(PACE_MS, signal);
      if (!this.#news) await this.#sleepOrWake(this.#progress?.final ? PATIENCE_MS * 6 : PATIENCE_MS, signal);
    }
  }

  #sleepOrWake(milliseconds, signal) {
    return Promise.race([sleep(milliseconds, signal), new Promise((resolve) => (this.#wake = resolve))]);
  }

  #take(progress) {
    const opens = this.#progress === null;
    this.#progress = progress;
    const { label, leads, date, accepted_at: accepted } = progress;
    find("#recording-title").textContent = label ?? this.#name ?? `Recording, ${dateText(date ?? accepted)}`;
    find("#recording-facts").textContent = words.factsOf(progress);
    find("#recording-state").textContent = words.reachedText(progress);
    find("#recording-refused").textContent = words.refusedText(progress);
    find("#follow-label").hidden = progress.final || this.#time !== null;
    this.#samples.follow(progress);
    this.#fillTables();
    if (opens) {
      find("#disclosed-lead").replaceChildren(
        ...leads.map(({ name }, value) => element("option", { value }, spelled(name))),
      );
      find("#recording-content").hidden = false;
    }
    this.#show();
    if (opens) this.#arrange(true);
    else if (this.#time !== null) this.#boundPart();
  }

  /** Fetch the minutes that are new: all of them if late samples came, else from the last one on. */
  async #loadMinutes(signal) {
    const { revision, final, complete_until: until, sampling_rate: rate } = this.#progress;
    const segments = Math.floor((until / rate - MARGIN_SECONDS) / SEGMENT_SECONDS);
    const before = this.#counted;
    const changed = before?.revision !== revision;
    if (!changed && final === before.final && segments === before.segments) return;
    const first = changed ? 0 : Math.max(Math.floor((before.segments * SEGMENT_SECONDS) / LINE_SECONDS) - 1, 0);
    const end = Math.ceil(until / rate / LINE_SECONDS);
    for (let from = first; from < end; from += MINUTES) {
      const minutes = await this.#gateway.minutes(this.#id, from, Math.min(from + MINUTES, end), signal);
      signal.throwIfAborted();
      for (const { minute, mean_rate, least_rate, most_rate } of minutes)
        this.#minutes.set(minute, { minute, mean_rate, least_rate, most_rate });
      this.#show();
    }
    this.#counted = { revision, final, segments };
  }

  /** Show all minutes, or the part on the sheet. */
  #arrange(opens) {
    const part = this.#time !== null;
    if (!part || !this.#progress) this.#viewer.close();
    find("#nothing").hidden = true;
    find("#recording").hidden = false;
    for (const id of ["#all-minutes", "#disclosure-choices", "#recording-findings"]) find(id).hidden = part;
    find("#part-moves").hidden = !part;
    find("#erase").hidden = part;
    find("#follow-label").hidden = part || this.#progress?.final !== false;
    if (!this.#progress) return;
    if (part) {
      // The samples of lines out of sight are not fetched again when more arrive.
      this.#samples.look([]);
      this.#openPart();
      return;
    }
    this.#show();
    // Hidden elements lose their scroll position.
    this.#disclosure.moveTo(this.#disclosure.time);
    find(opens ? "#recording-title" : "#disclosure").focus({ preventScroll: true });
    find("#viewer").scrollIntoView({ block: "nearest" });
  }

  #show() {
    if (!this.#progress) return;
    const progress = this.#progress;
    const duration = Math.max(words.secondsOf(progress), 1);
    const gaps = words.gapsOf(progress);
    const minutes = [...this.#minutes.values()];
    this.#disclosure.show(
      {
        ...{ samplingRate: progress.sampling_rate, duration, gaps },
        lead: Number(find("#disclosed-lead").value),
        gain: Number(find("#disclosed-gain").value),
        rates: new Map(minutes.map(({ minute, mean_rate: rate }) => [minute, rate ?? undefined])),
      },
      this.#samples,
    );
    find("#disclosure-canvas").setAttribute(
      "aria-label",
      `All minutes of lead ${find("#disclosed-lead").selectedOptions[0]?.textContent}, ${clock(duration, 1)} in all`,
    );
    this.#strip.present(trendOf(minutes, gaps, duration));
    if (!progress.final && this.#time === null && find("#follow").checked) this.#disclosure.moveTo(Infinity);
    this.#mark();
  }

  /** Say where the reader is, and mark it above. */
  #mark() {
    const { time, seconds } = this.#disclosure;
    this.#strip.mark(this.#time ?? time, this.#time === null ? LINE_SECONDS : seconds);
    const end = Math.min(time + seconds, words.secondsOf(this.#progress));
    const rate = this.#minutes.get(Math.floor(time / LINE_SECONDS))?.mean_rate;
    const date = words.dateAfter(this.#progress.date, time);
    const gap = words.gapsOf(this.#progress).some(([from, to]) => from < end && to > time);
    const text = [
      `Marked: ${clock(time, 1)} to ${clock(end, 1)}`,
      date ? dateText(date) : null,
      Number.isFinite(rate) ? `${Math.round(rate)} /min in this minute` : null,
      gap ? "with a gap" : null,
      this.#samples.get(Math.floor(time / LINE_SECONDS))?.error,
    ]
      .filter(Boolean)
      .join(" · ");
    // Only if it changes, so that screen readers say it once.
    if (find("#disclosure-place").textContent !== text) find("#disclosure-place").textContent = text;
  }

  #moved() {
    find("#follow").checked = false;
    this.#disclosure.redraw();
    this.#mark();
  }

  /** Go to a time: on all minutes to its line, on the sheet to the part there. */
  #goTo(time) {
    if (this.#time !== null) {
      this.#go(Math.floor(time));
      return;
    }
    this.#disclosure.moveTo(Math.floor(time / LINE_SECONDS) * LINE_SECONDS);
    this.#moved();
    find("#disclosure").focus({ preventScroll: true });
  }

  #jump(event) {
    event.preventDefault();
    const seconds = secondsOfText(find("#minute").value);
    const end = words.secondsOf(this.#progress);
    const possible = seconds !== null && seconds <= end;
    find("#minute").setAttribute("aria-invalid", String(!possible));
    find("#minute-error").textContent = possible ? "" : `A time from 0:00 to ${clock(end, 1)}, such as 1:02:03.`;
    if (!possible) return;
    if (this.#time !== null) this.#go(seconds);
    else {
      this.#disclosure.moveTo(seconds);
      this.#moved();
      find("#disclosure").focus({ preventScroll: true });
    }
  }

  /** Show the part that begins at the chosen time on the sheet. */
  #openPart() {
    const { sampling_rate: rate, number_of_samples: samples, label, date, accepted_at: accepted } = this.#progress;
    const [id, seconds] = [this.#id, this.#seconds];
    const time = Math.max(Math.min(this.#time, words.secondsOf(this.#progress) - seconds), 0);
    this.#time = time;
    this.#disclosure.moveTo(time);
    this.#mark();
    const first = Math.round(time * rate);
    const end = Math.min(first + Math.round(seconds * rate), samples);
    this.#boundPart();
    const title = `${find("#recording-title").textContent}, ${clock(time)} to ${clock(end / rate)}`;
    this.#viewer.openPart(title, first / rate, (signal, onWait) => [
      this.#fetch(first, end, signal, onWait).then((part) => ({
        ...part,
        ...{ id, label, date: words.dateAfter(date, first / rate), accepted_at: accepted },
      })),
      this.#beatsOf(first, end, signal),
    ]);
  }

  /** Enable the buttons for the parts before and after the current one only if these parts exist. */
  #boundPart() {
    find("#part-before").disabled = this.#time <= 0;
    find("#part-after").disabled = this.#time + this.#seconds >= words.secondsOf(this.#progress);
  }

  /** Return the beats from a sample to before another one, in the form of an ECG's insights. */
  async #beatsOf(first, end, signal) {
    const ofMinute = this.#progress.sampling_rate * LINE_SECONDS;
    const minutes = await this.#gateway.minutes(this.#id, Math.floor(first / ofMinute), Math.ceil(end / ofMinute), signal);
    const within = minutes.flatMap(({ beats }) => beats).filter((beat) => beat >= first && beat < end);
    return { ecg: { rhythm: { beats: within.map((beat) => beat - first) } } };
  }

  /** Return the samples from `first` to before `end`, in several calls if they are too many for one answer. */
  async #fetch(first, end, signal, onWait) {
    try {
      return await this.#gateway.signals(this.#id, first, end, signal, onWait);
    } catch (error) {
      const tooMany = error instanceof Refused && error.field === "to" && end - first > 1;
      if (!tooMany) throw error;
      const middle = Math.floor((first + end) / 2);
      return joined(await this.#fetch(first, middle, signal, onWait), await this.#fetch(middle, end, signal, onWait));
    }
  }

  #fillTables() {
    const rows = words.measurementsOf(this.#progress);
    find("#recording-measurements").replaceChildren(
      ...rows.map(({ title, value, time, remark }) =>
        element(
          "tr",
          {},
          element("th", { scope: "row" }, title),
          element("td", {}, value),
          element(
            "td",
            { class: "remark" },
            time === null
              ? remark
              : element("button", { type: "button", onclick: () => this.#go(Math.max(time - 2, 0)) }, `at ${clock(time, 1)}`),
          ),
        ),
      ),
    );
    find("#of-recording").hidden = !rows.length;
    find("#recording-leads").replaceChildren(
      ...this.#progress.leads.map(({ name, adc_gain: gain, number_of_zero_crossings: crossings }) =>
        element(
          "tr",
          {},
          element("th", { scope: "row" }, spelled(name)),
          ...[crossings, gain].map((value) => element("td", {}, Number.isFinite(value) ? number(value) : "–")),
        ),
      ),
    );
  }
}
