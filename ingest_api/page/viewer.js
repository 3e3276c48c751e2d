/** The open ECG: its leads on paper, and the table of their insights. */

import { count, dateText, durationText, element, find, number } from "./dom.js";
import { spelled } from "./ecg/lead_names.js";
import { SHEET_SECONDS, layoutsOf } from "./ecg/layout.js";
import { MM_PER_MILLIVOLT, MM_PER_SECOND, clock } from "./ecg/paper.js";
import { Plot } from "./ecg/plot.js";
import { Signal } from "./ecg/signal.js";
import { Refused } from "./gateway.js";
import { columnsOf, measurementsOf } from "./insights.js";

// Defaults for recordings without sampling rate or gain: the usual rate of a resting ECG, and microvolts.
const ASSUMED_RATE = 500;
const ASSUMED_GAIN = 1000;

export class Viewer {
  #plot = new Plot(find("#frame"), find("#canvas"), (drawn) => this.#describeView(drawn));
  #gateway = null;
  #opening = null;
  #ecg = null;
  #signals = [];
  #layouts = [];
  #insights = {};

  constructor() {
    const plot = this.#plot;
    find("#zoom-in").addEventListener("click", () => plot.zoomBy(1.5));
    find("#zoom-out").addEventListener("click", () => plot.zoomBy(1 / 1.5));
    find("#zoom-standard").addEventListener("click", () => plot.zoomTo(1));
    find("#zoom-all").addEventListener("click", () => plot.showAll());
    find("#position").addEventListener("input", ({ target }) => plot.moveTo(Number(target.value)));
    for (const id of ["#amplitude", "#crossings", "#rate", "#gain"])
      find(id).addEventListener("change", () => this.#show(true));
    find("#layout").addEventListener("change", () => this.#show(false));
    find("#assumed").addEventListener("submit", (event) => event.preventDefault());
  }

  /** Close the open ECG; from now on show ECGs of this gateway's user, or none. */
  reset(gateway = null) {
    this.#opening?.abort();
    this.#gateway = gateway;
    this.#ecg = null;
    this.#signals = [];
    find("#opened").hidden = true;
    find("#nothing").hidden = false;
  }

  /** Fetch an ECG and show it; `name` is the name of its file, if known. */
  async open(id, name) {
    this.#opening?.abort();
    const { signal } = (this.#opening = new AbortController());
    find("#nothing").hidden = true;
    find("#opened").hidden = false;
    for (const part of ["#plot", "#findings"]) find(part).hidden = true;
    find("#viewer-title").textContent = name ?? "ECG";
    find("#facts").textContent = "Loading …";
    find("#viewer-error").textContent = "";
    const [ecg, insights] = await Promise.allSettled([
      this.#gateway.ecg(id, signal, (problem) => {
        find("#facts").textContent = problem ? "Waiting for the server …" : "Loading …";
      }),
      this.#gateway.insights(id, { signal }),
    ]);
    if (signal.aborted) return;
    find("#facts").textContent = "";
    this.#tell([ecg, insights].find(({ status }) => status === "rejected")?.reason ?? null);
    const found = insights.value?.leads ?? [];
    if (insights.value?.error) find("#viewer-error").textContent = insights.value.error;
    if (ecg.status === "fulfilled") this.#take(ecg.value, name);
    else this.#ecg = null;
    this.#table(found);
    this.#insights = insights.value ?? {};
    this.#measurements(this.#insights);
    find("#viewer-title").focus({ preventScroll: true });
    find("#viewer").scrollIntoView({ block: "nearest" });
  }

  /** What is open, to be taken along: `{id, ecg, title, facts, measurements, plot}`, or null. */
  get opened() {
    if (!this.#ecg || find("#plot").hidden) return null;
    return {
      id: this.#ecg.id,
      ecg: this.#ecg,
      title: find("#viewer-title").textContent,
      facts: `${find("#facts").textContent} · submitted ${dateText(this.#ecg.accepted_at)}`,
      measurements: measurementsOf(this.#insights),
      plot: this.#plot,
    };
  }

  #tell(error) {
    if (error === null) return;
    if (!(error instanceof Refused)) throw error;
    find("#viewer-error").textContent = error.message;
  }

  #take(ecg, name) {
    this.#ecg = ecg;
    this.#signals = ecg.leads.map((lead) => new Signal(lead.signal));
    find("#viewer-title").textContent = name ?? ecg.label ?? `ECG, ${dateText(ecg.date ?? ecg.accepted_at)}`;
    this.#layouts = layoutsOf(ecg.leads.map((lead) => lead.name));
    find("#layout-label").hidden = this.#layouts.length === 1;
    find("#layout").value = this.#layouts[0].kind;
    find("#amplitude").value = "1";
    find("#rate").value = ASSUMED_RATE;
    find("#gain").value = ASSUMED_GAIN;
    const [noRate, noGain] = [ecg.sampling_rate === null, ecg.leads.some((lead) => lead.adc_gain === null)];
    find("#assumed").hidden = !noRate && !noGain;
    find("#rate-label").hidden = !noRate;
    find("#gain-label").hidden = !noGain;
    const unknown = [noRate && "its sampling rate", noGain && "the gain of its leads"].filter(Boolean).join(" and ");
    find("#assumption").textContent = `The recording does not state ${unknown}. Change the assumed values if you know better:`;
    find("#plot").hidden = !this.#signals.some((signal) => signal.length);
    this.#show(false);
  }

  #show(keep) {
    if (!find("#plot").hidden) {
      this.#plot.viewport.gain = Number(find("#amplitude").value);
      this.#plot.show(
        {
          layout: this.#layouts.find(({ kind }) => kind === find("#layout").value),
          leads: this.#ecg.leads.map((lead, i) => ({
            signal: this.#signals[i],
            gain: this.#gainOf(lead),
            missing: lead.missing ?? [],
          })),
          samplingRate: this.#rate,
          showCrossings: find("#crossings").checked,
        },
        { keep, seconds: SHEET_SECONDS },
      );
    }
    this.#describe();
  }

  get #rate() {
    return this.#ecg.sampling_rate ?? positive(find("#rate"), ASSUMED_RATE);
  }

  #gainOf(lead) {
    return lead.adc_gain ?? positive(find("#gain"), ASSUMED_GAIN);
  }

  /** Describe the ECG in words: below its title, and for screen readers. */
  #describe() {
    const { sampling_rate: rate, leads, date } = this.#ecg;
    const gains = [...new Set(leads.map((lead) => lead.adc_gain))];
    const seconds = Math.max(...this.#signals.map((signal) => signal.length)) / this.#rate;
    const facts = [
      count(leads.length, "lead"),
      `${durationText(seconds)}${rate === null ? " at the rate assumed" : ""}`,
      rate === null ? null : `${number(rate)} Hz`,
      gains.length === 1 && gains[0] !== null ? `${number(gains[0])} ADC units/mV` : null,
      date ? `recorded ${dateText(date)}` : null,
    ];
    find("#facts").textContent = facts.filter(Boolean).join(" · ");
    const [{ kind, names }] = this.#layouts;
    const shape = kind === "standard" ? "Twelve-lead ECG" : `ECG with ${count(names.length, "lead")}`;
    find("#canvas").setAttribute(
      "aria-label",
      `${shape}, ${durationText(seconds)}: ${names.slice(0, 12).join(", ")}. ` +
        "The table of insights has the extremes and zero crossings of each lead.",
    );
  }

  #describeView({ points, crossings, crowded }) {
    const { viewport } = this.#plot;
    const { zoom, time, span, duration, latest } = viewport;
    const speed = zoom * MM_PER_SECOND;
    const compressed = zoom < viewport.paper;
    const gain = number(MM_PER_MILLIVOLT * viewport.gain);
    const size = compressed
      ? `time compressed, ${gain} mm/mV`
      : `25 mm/s, ${gain} mm/mV, at ${number(Math.round(zoom * 100))} %`;
    const end = Math.min(time + span, duration);
    const marked = crowded ? ` · zoom in to see ${crossings ? "all" : "the"} zero crossings` : "";
    find("#scale").textContent = `${clock(time)} to ${clock(end)} of ${clock(duration)} · ${size}${marked}`;
    const position = find("#position");
    position.max = latest;
    position.value = time;
    position.disabled = latest === 0;
    position.setAttribute("aria-valuetext", `${clock(time)} of ${clock(duration)}`);
    // For tests and measurements of the page.
    Object.assign(find("#canvas").dataset, {
      layout: this.#layouts.find(({ kind }) => kind === find("#layout").value).kind,
      points,
      crossings,
      speed: speed.toFixed(3),
      time: time.toFixed(3),
    });
  }

  /** Fill the table with all insights, and with the number of samples and the extremes of each lead. */
  #table(insights) {
    const leads = this.#ecg?.leads ?? insights;
    const measured = columnsOf(insights);
    // A column for the number of samples only if it differs between leads: the duration is shown above.
    const lengths = new Set(this.#signals.map((signal) => signal.length)).size > 1;
    const gaps = leads.some((lead) => lead.missing);
    const own = [...(lengths ? ["Samples"] : []), ...(gaps ? ["Missing"] : []), "Lowest, mV", "Highest, mV"];
    const columns = ["Lead", ...measured.map(({ title }) => title), ...(this.#ecg ? own : [])];
    find("#columns").replaceChildren(...columns.map((title) => element("th", { scope: "col" }, title)));
    find("#leads").replaceChildren(
      ...leads.map((lead, i) => {
        const cells = measured.map(({ textOf }) => textOf(insights[i]));
        if (this.#ecg) {
          const signal = this.#signals[i];
          const known = lead.adc_gain !== null && signal.length;
          cells.push(
            ...(lengths ? [number(signal.length)] : []),
            ...(gaps ? [number((lead.missing ?? []).reduce((sum, [, length]) => sum + length, 0))] : []),
            ...[signal.least, signal.most].map((value) => (known ? millivolts(value / lead.adc_gain) : "–")),
          );
        }
        return element(
          "tr",
          {},
          element("th", { scope: "row" }, spelled(lead.name)),
          ...cells.map((text) => element("td", {}, text)),
        );
      }),
    );
    find("#findings").hidden = !leads.length;
  }

  /** Fill the table of the whole ECG, which an ECG without a sampling rate does not have. */
  #measurements(insights) {
    const rows = measurementsOf(insights);
    find("#measurements").replaceChildren(
      ...rows.map(({ title, value, remark }) =>
        element(
          "tr",
          {},
          element("th", { scope: "row" }, title),
          element("td", {}, value),
          element("td", { class: "remark" }, remark),
        ),
      ),
    );
    find("#of-ecg").hidden = !rows.length;
  }
}

function positive(input, otherwise) {
  const value = Number(input.value);
  const good = value > 0 && Number.isFinite(value);
  input.setAttribute("aria-invalid", String(!good));
  return good ? value : otherwise;
}

function millivolts(value) {
  return value.toFixed(2).replace("-", "−");
}
