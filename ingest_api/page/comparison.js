/** A second ECG of the user below the open one, on the same paper, each moved by itself. */

import { count, dateText, durationText, element, find } from "./dom.js";
import { Electrocardiogram } from "./ecg/electrocardiogram.js";
import { Plot } from "./ecg/plot.js";
import { Refused } from "./gateway.js";

export class Comparison {
  #plot = new Plot(find("#other-frame"), (drawn) => this.#describe(drawn));
  #gateway = null;
  #next = null;
  #onChange;
  #loading = new AbortController();
  opened = null;

  /** @param {() => void} onChange called when the second ECG is shown or put away */
  constructor(onChange) {
    this.#onChange = onChange;
    find("#compare").addEventListener("click", () => (this.opened ? this.close() : this.#choose()));
    find("#compare-older").addEventListener("click", () => this.#list(this.#next));
    find("#compare-cancel").addEventListener("click", () => find("#compare-dialog").close());
    find("#compare-form").addEventListener("submit", () => this.#open(find("#compare-with").value));
    find("#other-position").addEventListener("input", ({ target }) => this.#plot.moveTo(Number(target.value)));
  }

  get plot() {
    return this.#plot;
  }

  reset(gateway) {
    this.#gateway = gateway;
    this.close();
  }

  close() {
    this.#loading.abort();
    find("#other").hidden = true;
    if (!this.opened) return;
    this.opened = null;
    find("#compare").textContent = "Compare …";
    this.#onChange();
  }

  /** Show the second ECG at the scale of the first one. */
  show(options, first, seconds, keep) {
    if (!this.opened) return;
    const { viewport } = this.#plot;
    Object.assign(viewport, { gain: first.gain, speed: first.speed });
    // An overview has no place in half a window, nor has the other ECG the same minutes.
    const kind = options.kind === "overview" ? this.opened.layouts[0].kind : options.kind;
    this.#plot.show(this.opened.sheet({ ...options, kind }), { keep, seconds });
    this.follow(first);
  }

  /** Take the zoom of the first plot. */
  follow({ zoom, overview }) {
    const { viewport } = this.#plot;
    if (this.opened && !overview && (viewport.zoom !== zoom || viewport.fitted !== null)) this.#plot.zoomTo(zoom);
  }

  async #choose() {
    find("#compare-with").replaceChildren();
    find("#compare-error").textContent = "";
    find("#compare-dialog").showModal();
    await this.#list(null);
  }

  async #list(cursor) {
    try {
      const { ecgs, next } = await this.#gateway.list(cursor);
      this.#next = next;
      find("#compare-older").hidden = next === null;
      find("#compare-with").append(
        ...ecgs
          .filter(({ error }) => !error)
          .map(({ id, label, date, accepted_at: accepted, leads }) =>
            element(
              "option",
              { value: id },
              [label, date ? `recorded ${dateText(date)}` : dateText(accepted), count(leads.length, "lead")]
                .filter(Boolean)
                .join(" · "),
            ),
          ),
      );
      find("#compare-with").selectedIndex = Math.max(find("#compare-with").selectedIndex, 0);
    } catch (error) {
      tell("#compare-error", error);
    }
  }

  async #open(id) {
    if (!id) return;
    this.#loading.abort();
    const { signal } = (this.#loading = new AbortController());
    find("#other").hidden = false;
    find("#other-title").textContent = "Loading …";
    try {
      const [ecg, insights] = await Promise.all([
        this.#gateway.ecg(id, signal, (problem) => {
          find("#other-title").textContent = problem ? "Waiting for the server …" : "Loading …";
        }),
        this.#gateway.insights(id, { signal }),
      ]);
      this.opened = new Electrocardiogram(ecg, insights ?? {});
      find("#compare").textContent = "End the comparison";
      find("#other-title").textContent = ecg.label ?? `ECG, ${dateText(ecg.date ?? ecg.accepted_at)}`;
      this.#onChange();
    } catch (error) {
      if (!signal.aborted) tell("#other-title", error);
    }
  }

  #describe({ hidden }) {
    const { time, latest, duration, span } = this.#plot.viewport;
    const unseen = Object.values(hidden).flat();
    const { ecg } = this.opened ?? {};
    find("#other-facts").textContent = [
      `${durationText(time)} to ${durationText(Math.min(time + span, duration))} of ${durationText(duration)}`,
      ecg?.date ? `recorded ${dateText(ecg.date)}` : null,
      unseen.length ? `not in view: ${unseen.join(", ")}` : null,
    ]
      .filter(Boolean)
      .join(" · ");
    const position = find("#other-position");
    Object.assign(position, { max: latest, value: time, disabled: latest === 0 });
  }
}

function tell(place, error) {
  if (!(error instanceof Refused)) throw error;
  find(place).textContent = error.message;
}
