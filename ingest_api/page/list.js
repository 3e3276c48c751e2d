/** The list of the user's ECGs, the newest first. */

import { count, dateText, element, find } from "./dom.js";
import { Refused, Unavailable } from "./gateway.js";

const MOST_NAMES = 4;

export class List {
  #gateway;
  #names;
  #open;
  #signal;
  #rows = new Map(); // id -> row
  #next = null;
  #current = null;
  #refresh = null;

  /**
   * @param {Gateway} gateway
   * @param {Map<string, string>} names the names of the files that this page has submitted, by ECG id
   * @param {(id: string) => void} open
   * @param {AbortSignal} signal
   */
  constructor(gateway, names, open, signal) {
    this.#gateway = gateway;
    this.#names = names;
    this.#open = open;
    this.#signal = signal;
    find("#earlier").replaceChildren();
    find("#older").addEventListener("click", () => this.#older(), { signal });
  }

  /** Fill the list with the first page, which was fetched at sign-in. */
  start({ ecgs, next }) {
    this.#next = next;
    this.#add(ecgs, false);
  }

  /** Fetch new ECGs after a short delay, so that several that finish together cost one call. */
  refresh() {
    this.#refresh ??= setTimeout(async () => {
      this.#refresh = null;
      try {
        this.#add(await this.#news(), true);
      } catch (error) {
        this.#tell(error);
      }
    }, 250);
  }

  /** Return the latest pages of ECGs, down to the first page with one that is in the list. */
  async #news() {
    const found = [];
    for (let cursor = null; ;) {
      const { ecgs, next } = await this.#gateway.list(cursor, this.#signal);
      found.push(...ecgs);
      if (next === null || !this.#rows.size || ecgs.some(({ id }) => this.#rows.has(id))) return found;
      cursor = next;
    }
  }

  /** Mark the ECG that is open. */
  mark(id) {
    this.#current = id;
    for (const [other, row] of this.#rows) row.firstChild.setAttribute("aria-current", String(other === id));
  }

  async #older() {
    const button = find("#older");
    button.disabled = true;
    try {
      const { ecgs, next } = await this.#gateway.list(this.#next, this.#signal);
      this.#next = next;
      this.#add(ecgs, false);
    } catch (error) {
      this.#tell(error);
    } finally {
      button.disabled = false;
    }
  }

  #add(ecgs, first) {
    const list = find("#earlier");
    const fresh = ecgs
      .filter(({ id }) => !this.#rows.has(id))
      .map((ecg) => {
        const row = this.#row(ecg);
        this.#rows.set(ecg.id, row);
        return row;
      });
    if (first) list.prepend(...fresh);
    else list.append(...fresh);
    this.mark(this.#current);
    find("#older").hidden = this.#next === null;
    find("#earlier-note").textContent = this.#rows.size ? "" : "Nothing here yet.";
  }

  #row({ id, label, date, accepted_at: accepted, error, leads }) {
    const names = leads.map((lead) => lead.name);
    const shown = names.length > MOST_NAMES ? count(names.length, "lead") : names.join(", ");
    const samples = leads.reduce((most, lead) => Math.max(most, lead.number_of_samples ?? 0), 0);
    const what = error ?? [shown, samples ? count(samples, "sample") : null].filter(Boolean).join(" · ");
    const name = this.#names.get(id) ?? label ?? undefined;
    return element(
      "li",
      {},
      element(
        "button",
        { type: "button", "data-id": id, "aria-current": "false", onclick: () => this.#open(id) },
        element("span", { class: "when" }, name ?? dateText(accepted)),
        element("span", { class: "what" }, name ? dateText(accepted) : date ? `recorded ${dateText(date)}` : ""),
        element("span", { class: error ? "what failed" : "what" }, error ? `failed: ${what}` : what),
      ),
    );
  }

  #tell(error) {
    if (this.#signal.aborted) return;
    if (!(error instanceof Refused || error instanceof Unavailable)) throw error;
    find("#earlier-note").textContent = `Cannot be read: ${error.message}`;
  }
}
