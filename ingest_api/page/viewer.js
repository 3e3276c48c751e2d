/** The open ECG: its leads on paper with the tools to look at them, and the tables of its insights. */

import { Comparison } from "./comparison.js";
import { count, dateText, durationText, element, find, number } from "./dom.js";
import { readout } from "./ecg/calipers.js";
import { clock, secondsOf } from "./ecg/clock.js";
import { Electrocardiogram } from "./ecg/electrocardiogram.js";
import { isPossible } from "./ecg/filters.js";
import { RateStrip } from "./ecg/heart_rate.js";
import { KEYS, actionOf } from "./ecg/keys.js";
import { LINE_SECONDS, SHEET_SECONDS } from "./ecg/layout.js";
import { EnlargedBeat } from "./ecg/median_beat.js";
import { captionOf } from "./ecg/paper.js";
import { Plot } from "./ecg/plot.js";
import { showFindings } from "./findings.js";
import { Refused } from "./gateway.js";
import { measurementsOf } from "./insights.js";

// Defaults for recordings without sampling rate or gain: the usual rate of a resting ECG, and microvolts.
const ASSUMED_RATE = 500;
const ASSUMED_GAIN = 1000;
const LAYOUTS = {
  standard: "3 × 4 and II",
  six: "6 × 2",
  cabrera: "6 × 2, Cabrera",
  overview: "A minute a line",
};
const FILTER_BOXES = ["#baseline", "#mains50", "#mains60", "#muscle"];
const ARROWS = { above: "↑", below: "↓", left: "←", right: "→" };

export class Viewer {
  #plot = new Plot(
    find("#frame"),
    (drawn) => this.#describeView(drawn),
    (time) => this.#goTo(time),
  );
  #rates = new RateStrip(find("#rates"), (time) => this.#goTo(time));
  #beat = new EnlargedBeat(find("#median-canvas"));
  #comparison = new Comparison(() => this.#compare());
  #gateway = null;
  #opening = null;
  #opened = null;
  // True once the user has chosen a layout for the open ECG: until then, the width decides.
  #chosen = false;

  constructor() {
    const plot = this.#plot;
    const actions = this.#actions();
    for (const [id, name] of [
      ["#zoom-in", "zoomIn"],
      ["#zoom-out", "zoomOut"],
      ["#zoom-standard", "trueSize"],
      ["#zoom-all", "whole"],
      ["#previous", "previousPage"],
      ["#next", "nextPage"],
      ["#panels", "panels"],
      ["#full-screen", "fullScreen"],
      ["#help", "help"],
    ])
      find(id).addEventListener("click", actions[name]);
    find("#position").addEventListener("input", ({ target }) => plot.moveTo(Number(target.value)));
    const ofOther = this.#movements(this.#comparison.plot);
    for (const [part, possible] of [
      ["#frame", actions],
      ["#position", actions],
      ["#other-frame", ofOther],
      ["#other-position", ofOther],
    ])
      find(part).addEventListener("keydown", (event) => take(event, possible[actionOf(event)]));
    // The list of keys opens from everywhere, except where a question mark is text.
    find("#viewer").addEventListener("keydown", (event) => {
      if (!event.defaultPrevented && event.key === "?" && !event.target.matches("input:not([type=checkbox])"))
        take(event, actions.help);
    });
    const choices = ["#amplitude", "#speed", "#crossings", "#beats", "#overview-lead", "#rate", "#gain", ...FILTER_BOXES];
    for (const id of choices)
      find(id).addEventListener("change", () => this.#show(true));
    find("#layout").addEventListener("change", () => {
      this.#chosen = true;
      this.#relayout();
    });
    find("#calipers").addEventListener("change", () => plot.toggleCalipers());
    for (const id of ["#median", "#median-lead"]) find(id).addEventListener("change", () => this.#showMedian());
    find("#assumed").addEventListener("submit", (event) => event.preventDefault());
    find("#jump-form").addEventListener("submit", (event) => this.#jump(event));
    new ResizeObserver(() => this.#adapt()).observe(find("#frame"));
    find("#keys-list").append(
      ...KEYS.flatMap(({ shown, does }) => [element("dt", {}, shown), element("dd", {}, does)]),
    );
  }

  /** Close the open ECG; from now on show ECGs of this gateway's user, or none. */
  reset(gateway = null) {
    this.#gateway = gateway;
    this.#comparison.reset(gateway);
    this.close();
  }

  close() {
    this.#opening?.abort();
    this.#opened = null;
    this.#comparison.close();
    find("#opened").hidden = true;
    find("#nothing").hidden = false;
  }

  /** Fetch an ECG and show it; `name` is the name of its file, if known. */
  open(id, name) {
    return this.openPart(name, 0, (signal, onWait) => [
      this.#gateway.ecg(id, signal, onWait),
      this.#gateway.insights(id, { signal }),
    ]);
  }

  /**
   * Fetch a part of a recording and show it.
   * @param {string|undefined} name
   * @param {number} begin the seconds from the beginning of the recording to that of the part
   * @param {(signal: AbortSignal, onWait: Function) => Promise[]} load fetches the part in the form of an ECG, and its
   *   insights; `onWait` as in `Gateway.submit`
   */
  async openPart(name, begin, load) {
    this.#opening?.abort();
    const { signal } = (this.#opening = new AbortController());
    find("#nothing").hidden = true;
    find("#opened").hidden = false;
    for (const part of ["#plot", "#findings"]) find(part).hidden = true;
    find("#take").disabled = true;
    find("#viewer-title").textContent = name ?? "ECG";
    find("#facts").textContent = "Loading …";
    find("#viewer-error").textContent = "";
    const onWait = (problem) => {
      find("#facts").textContent = problem ? "Waiting for the server …" : "Loading …";
    };
    const [ecg, insights] = await Promise.allSettled(load(signal, onWait));
    if (signal.aborted) return;
    this.#plot.viewport.begin = begin;
    find("#facts").textContent = "";
    this.#tell([ecg, insights].find(({ status }) => status === "rejected")?.reason ?? null);
    const found = insights.value ?? {};
    if (found.error) find("#viewer-error").textContent = found.error;
    this.#opened = ecg.status === "fulfilled" ? new Electrocardiogram(ecg.value, found) : null;
    if (this.#opened) this.#take(name);
    showFindings(this.#opened, found);
    find("#viewer-title").focus({ preventScroll: true });
    find("#viewer").scrollIntoView({ block: "nearest" });
  }

  /** What is open, to be taken along: `{ecg, title, facts, measurements, plot}`. */
  get opened() {
    const { ecg, insights } = this.#opened;
    return {
      ecg,
      title: find("#viewer-title").textContent,
      facts: `${find("#facts").textContent} · submitted ${dateText(ecg.accepted_at)}`,
      measurements: measurementsOf(insights),
      plot: this.#plot,
    };
  }

  #tell(error) {
    if (error === null) return;
    if (!(error instanceof Refused)) throw error;
    find("#viewer-error").textContent = error.message;
  }

  #take(name) {
    const { ecg, layouts, names } = this.#opened;
    find("#viewer-title").textContent = name ?? ecg.label ?? `ECG, ${dateText(ecg.date ?? ecg.accepted_at)}`;
    find("#amplitude").value = "1";
    find("#speed").value = "25";
    for (const id of ["#crossings", "#calipers", "#median", ...FILTER_BOXES]) find(id).checked = false;
    find("#rate").value = ASSUMED_RATE;
    find("#gain").value = ASSUMED_GAIN;
    const [noRate, noGain] = [ecg.sampling_rate === null, ecg.leads.some((lead) => lead.adc_gain === null)];
    find("#assumed").hidden = !noRate && !noGain;
    find("#rate-label").hidden = !noRate;
    find("#gain-label").hidden = !noGain;
    const unknown = [noRate && "its sampling rate", noGain && "the gain of its leads"].filter(Boolean).join(" and ");
    find("#assumption").textContent = `The recording does not state ${unknown}. Change the assumed values if you know better:`;
    find("#plot").hidden = this.#opened.isEmpty;
    find("#take").disabled = this.#opened.isEmpty;
    const kinds = [...layouts.map(({ kind }) => kind), ...(this.#isLong ? ["overview"] : [])];
    const titleOf = (kind) => LAYOUTS[kind] ?? `${names.length} × 1`;
    find("#layout").replaceChildren(...kinds.map((value) => element("option", { value }, titleOf(value))));
    find("#layout-label").hidden = kinds.length === 1;
    find("#overview-lead").replaceChildren(...names.map((lead, value) => element("option", { value }, lead)));
    find("#overview-lead").value = this.#opened.rhythmLead;
    find("#median-lead").replaceChildren(
      ...names.map((lead, value) => element("option", { value }, lead)),
      element("option", { value: "all" }, "all, one on the other"),
    );
    find("#median-lead").value = this.#opened.rhythmLead;
    for (const id of ["#beats", "#median"]) find(id).disabled = this.#opened.beats.length < 2;
    this.#comparison.close();
    this.#chosen = false;
    this.#show(false);
  }

  get #isLong() {
    return this.#opened.secondsAt(this.#rate) > LINE_SECONDS;
  }

  #show(keep) {
    const opened = this.#opened;
    if (!find("#plot").hidden) {
      const { viewport } = this.#plot;
      viewport.gain = Number(find("#amplitude").value);
      viewport.speed = Number(find("#speed").value);
      if (!this.#chosen) find("#layout").value = this.#usualLayout();
      const kind = find("#layout").value;
      find("#overview-label").hidden = kind !== "overview";
      for (const box of FILTER_BOXES) find(box).disabled = !isPossible(find(box).value, this.#rate);
      const options = this.#options(kind);
      this.#plot.show(opened.sheet(options), { keep, seconds: SHEET_SECONDS });
      this.#comparison.show(options, viewport, SHEET_SECONDS, keep);
      this.#rates.show(this.#isLong ? opened.beats : [], this.#rate, opened.secondsAt(this.#rate));
      this.#showMedian();
    }
    this.#describe();
  }

  /** Return what the user has chosen, as `Electrocardiogram.sheet` takes it. */
  #options(kind) {
    return {
      kind,
      lead: Number(find("#overview-lead").value),
      rate: this.#rate,
      gain: positive(find("#gain"), ASSUMED_GAIN),
      filters: this.#filters,
      showCrossings: find("#crossings").checked,
      showBeats: find("#beats").checked,
    };
  }

  get #filters() {
    return FILTER_BOXES.map(find)
      .filter(({ checked, disabled }) => checked && !disabled)
      .map(({ value }) => value);
  }

  /** Share the window between two ECGs, or give it back to one. */
  #compare() {
    const share = this.#comparison.opened ? 0.5 : 1;
    for (const plot of [this.#plot, this.#comparison.plot]) plot.share = share;
    if (this.#opened) this.#show(true);
  }

  #showMedian() {
    const shown = find("#median").checked;
    find("#median-beat").hidden = !shown;
    if (!shown) return;
    const lead = find("#median-lead").value;
    const leads = lead === "all" ? this.#opened.names.map((_, i) => i) : [Number(lead)];
    const beat = this.#opened.medianBeat(this.#rate, positive(find("#gain"), ASSUMED_GAIN));
    find("#median-facts").textContent = this.#beat.show(beat, leads, this.#opened);
  }

  /** Return the kind of layout that a user who has chosen none gets: one below the other if a sheet is not legible. */
  #usualLayout() {
    const { viewport } = this.#plot;
    viewport.width = find("#frame").clientWidth || viewport.width;
    return viewport.holds(SHEET_SECONDS) ? this.#opened.layouts[0].kind : this.#opened.layouts.at(-1).kind;
  }

  /** Change the layout if the width has changed so much that another one is usual. */
  #adapt() {
    if (!this.#opened || this.#chosen || !find("#frame").clientWidth) return;
    if (find("#layout").value !== this.#usualLayout()) this.#relayout();
  }

  /** Show the ECG in another layout, from the same time on. */
  #relayout() {
    const { time } = this.#plot.viewport;
    this.#show(false);
    this.#plot.moveTo(time);
  }

  get #rate() {
    return this.#opened.ecg.sampling_rate ?? positive(find("#rate"), ASSUMED_RATE);
  }

  /** Show the recording around a time, in the usual layout. */
  #goTo(time) {
    if (this.#plot.viewport.overview) {
      this.#chosen = false;
      this.#show(false);
    }
    this.#plot.moveTo(time - this.#plot.viewport.span / 2);
    find("#frame").focus({ preventScroll: true });
  }

  #jump(event) {
    event.preventDefault();
    const { begin, duration } = this.#plot.viewport;
    const text = secondsOf(find("#jump").value);
    const seconds = text === null ? null : text - begin;
    const possible = seconds !== null && seconds >= 0 && seconds <= duration;
    find("#jump").setAttribute("aria-invalid", String(!possible));
    const [from, to] = [clock(begin, 1), clock(begin + this.#opened.secondsAt(this.#rate), 1)];
    find("#jump-error").textContent = possible ? "" : `A time from ${from} to ${to}, such as 1:05.`;
    if (possible) this.#goTo(seconds);
  }

  /** Return the actions that move a plot, by the names in `KEYS`. */
  #movements(plot) {
    const far = (across) => (plot.calipers ? plot.step(across * 10) : plot.turn(across));
    const farDown = (down) => plot.step(0, plot.calipers ? down * 10 : down);
    return {
      back: () => plot.step(-1),
      forward: () => plot.step(1),
      up: () => plot.step(0, -1),
      down: () => plot.step(0, 1),
      farUp: () => farDown(-1),
      farDown: () => farDown(1),
      previousPage: () => plot.turn(-1),
      nextPage: () => plot.turn(1),
      farBack: () => far(-1),
      farForward: () => far(1),
      start: () => plot.moveTo(0),
      end: () => plot.moveTo(plot.viewport.duration),
    };
  }

  /** Return the actions of keys and buttons, by the names in `KEYS`. */
  #actions() {
    const plot = this.#plot;
    return {
      ...this.#movements(plot),
      jump: () => {
        find("#jump").focus();
        find("#jump").select();
      },
      zoomIn: () => plot.zoomBy(1.25),
      zoomOut: () => plot.zoomBy(1 / 1.25),
      trueSize: () => plot.zoomTo(1),
      whole: () => this.#showWhole(),
      moreGain: () => turn(find("#amplitude"), 1),
      lessGain: () => turn(find("#amplitude"), -1),
      faster: () => turn(find("#speed"), 1),
      slower: () => turn(find("#speed"), -1),
      nextLayout: () => turn(find("#layout"), 1, true),
      crossings: () => find("#crossings").click(),
      beats: () => find("#beats").click(),
      medianBeat: () => find("#median").click(),
      calipers: () => find("#calipers").click(),
      noCalipers: () => plot.calipers && find("#calipers").click(),
      otherLeg: () => plot.adjustCalipers(({ active }) => ({ active: 1 - active })),
      march: () => plot.adjustCalipers(({ marching }) => ({ marching: !marching })),
      panels: () => this.#togglePanels(),
      fullScreen: () => this.#toggleFullScreen(),
      help: () => find("#help-dialog").open || find("#help-dialog").showModal(),
    };
  }

  #showWhole() {
    if (!this.#isLong) {
      this.#plot.showAll();
      return;
    }
    find("#layout").value = "overview";
    this.#chosen = true;
    this.#show(false);
  }

  #togglePanels() {
    const folded = find("#desk").classList.toggle("folded");
    find("#panels").setAttribute("aria-pressed", String(folded));
  }

  async #toggleFullScreen() {
    if (document.fullscreenElement) await document.exitFullscreen();
    else await find("#opened").requestFullscreen();
    find("#frame").focus({ preventScroll: true });
  }

  /** Describe the ECG in words: below its title, and for screen readers. */
  #describe() {
    const { ecg, layouts, names } = this.#opened;
    const { sampling_rate: rate, leads, date } = ecg;
    const gains = [...new Set(leads.map((lead) => lead.adc_gain))];
    const seconds = this.#opened.secondsAt(this.#rate);
    const facts = [
      count(leads.length, "lead"),
      `${durationText(seconds)}${rate === null ? " at the rate assumed" : ""}`,
      rate === null ? null : `${number(rate)} Hz`,
      gains.length === 1 && gains[0] !== null ? `${number(gains[0])} ADC units/mV` : null,
      date ? `recorded ${dateText(date)}` : null,
    ];
    find("#facts").textContent = facts.filter(Boolean).join(" · ");
    const shape = layouts.length > 1 ? "Twelve-lead ECG" : `ECG with ${count(names.length, "lead")}`;
    find("#canvas").setAttribute(
      "aria-label",
      `${shape}, ${durationText(seconds)}: ${names.slice(0, 12).join(", ")}. ` +
        "The table of insights has the extremes and zero crossings of each lead.",
    );
  }

  #describeView(drawn) {
    const { viewport, calipers } = this.#plot;
    const { zoom, time, span, duration, latest, overview, begin } = viewport;
    const showCrossings = find("#crossings").checked;
    const end = Math.min(time + span, duration);
    const tooMany = drawn.marked ? "" : ", too many to mark";
    find("#scale").textContent = [
      overview ? `All ${clock(duration)}` : `${clock(begin + time)} to ${clock(begin + end)} of ${clock(begin + duration)}`,
      captionOf(viewport, this.#filters),
      overview || zoom < viewport.paper ? null : `at ${number(Math.round(zoom * 100))} %`,
      showCrossings ? `${count(drawn.crossings, "zero crossing")} in view${drawn.crossings ? tooMany : ""}` : null,
      drawn.cut ? `${count(drawn.cut, "wave")} cut at the edge` : null,
    ]
      .filter(Boolean)
      .join(" · ");
    find("#readout").textContent = calipers ? `Calipers: ${readout(calipers)}` : "";
    find("#calipers").checked = calipers !== null;
    this.#tellHidden(drawn.hidden);
    this.#comparison.follow(viewport);
    this.#rates.mark(time, overview ? duration : span);
    const position = find("#position");
    position.max = latest;
    position.value = time;
    position.disabled = latest === 0;
    position.setAttribute("aria-valuetext", `${clock(begin + time)} of ${clock(begin + duration)}`);
    find("#previous").disabled = time <= 0;
    find("#next").disabled = time >= latest;
    // For tests and measurements of the page.
    Object.assign(find("#canvas").dataset, {
      layout: find("#layout").value,
      points: drawn.points,
      crossings: drawn.marked ? drawn.crossings : 0,
      speed: (overview ? 0 : zoom * viewport.speed).toFixed(3),
      time: time.toFixed(3),
      span: span.toFixed(3),
    });
  }

  /** Name the leads of which the window shows nothing, on buttons that lead to them. */
  #tellHidden(hidden) {
    const plot = this.#plot;
    const ways = {
      above: () => plot.scrollTo(0),
      below: () => plot.scrollTo(plot.viewport.top + plot.viewport.height * 0.9),
      left: () => plot.turn(-1),
      right: () => plot.turn(1),
    };
    const text = Object.entries(hidden)
      .filter(([, names]) => names.length)
      .map(([where, names]) => [where, `${ARROWS[where]} ${namesText(names)}`]);
    const beyond = find("#beyond");
    if (beyond.dataset.told === JSON.stringify(text)) return;
    beyond.dataset.told = JSON.stringify(text);
    beyond.replaceChildren(
      ...(text.length ? ["Not in view: "] : []),
      ...text.map(([where, label]) => element("button", { type: "button", onclick: ways[where] }, label)),
    );
  }
}

/** Run an action instead of what the key does in the browser, unless there was nothing to do. */
function take(event, action) {
  if (action && action() !== false) event.preventDefault();
}

/** Choose the next or previous option of a list. */
function turn(select, by, around = false) {
  const { length } = select.options;
  const index = select.selectedIndex + by;
  if (!around && (index < 0 || index >= length)) return;
  select.selectedIndex = (index + length) % length;
  select.dispatchEvent(new Event("change"));
}

function namesText(names) {
  return names.length > 6 ? `${names[0]} to ${names.at(-1)} (${names.length})` : names.join(", ");
}

function positive(input, otherwise) {
  const value = Number(input.value);
  const good = value > 0 && Number.isFinite(value);
  input.setAttribute("aria-invalid", String(!good));
  return good ? value : otherwise;
}
