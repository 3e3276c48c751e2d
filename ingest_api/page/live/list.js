/** The list of the user's recordings that arrive in chunks. It is hidden as long as there are none. */

import { count, dateText, durationText, element, find } from "../dom.js";
import { Refused } from "../gateway.js";
import { secondsOf, stateOf } from "./progress.js";

const REFRESH_MS = 250;

export class RecordingList {
  #gateway;
  #open;
  #signal;
  #entries = new Map(); // id -> {recording, button, row}
  #erased = new Set();
  #next = null;
  #current = null;
  #refresh = null;

  /**
   * @param {Gateway} gateway
   * @param {(id: string) => void} open
   * @param {AbortSignal} signal
   */
  constructor(gateway, open, signal) {
    this.#gateway = gateway;
    this.#open = open;
    this.#signal = signal;
    find("#recordings-list").replaceChildren();
    find("#recordings").hidden = true;
    find("#recordings-older").addEventListener("click", () => this.#load(this.#next), { signal });
    this.#load(null);
  }

  /** Return the name of a recording in the list, or undefined. */
  nameOf(id) {
    return this.#entries.get(id)?.recording.label ?? undefined;
  }

  /** Mark the recording that is open, or none. */
  mark(id) {
    this.#current = id;
    this.#show();
  }

  /** Remove a recording that was erased, and keep it away even if its erasure is still under way. */
  remove(id) {
    this.#erased.add(id);
    this.#entries.delete(id);
    this.#show();
  }

  /** Take an event of a recording, or null if events may have been missed. */
  hear(event) {
    const entry = this.#entries.get(event?.id);
    if (!entry || event.detail) {
      this.#refresh ??= setTimeout(() => {
        this.#refresh = null;
        this.#load(null);
      }, REFRESH_MS);
      return;
    }
    const { number_of_samples, complete_until, final, revision } = event;
    this.#take({ ...entry.recording, number_of_samples, complete_until, final, revision });
  }

  async #load(cursor) {
    try {
      const { recordings, next } = await this.#gateway.recordings(cursor, this.#signal);
      // When the first page is fetched again, the cursor for older recordings stays the same.
      if (cursor !== null || !this.#entries.size) this.#next = next;
      recordings.forEach((recording) => this.#take(recording));
      find("#recordings-note").textContent = "";
      this.#show();
    } catch (error) {
      if (this.#signal.aborted) return;
      if (!(error instanceof Refused)) throw error;
      // During an upgrade, an older gateway without recordings may answer.
      if (error.status !== 404) find("#recordings-note").textContent = `Cannot be read: ${error.message}`;
      find("#recordings").hidden = error.status === 404 && !this.#entries.size;
    }
  }

  #take(recording) {
    const { id, label, date, accepted_at: accepted } = recording;
    if (this.#erased.has(id)) return;
    if (!this.#entries.has(id)) {
      const button = element("button", { type: "button", "data-id": id, onclick: () => this.#open(id) });
      this.#entries.set(id, { button, row: element("li", {}, button) });
    }
    const entry = this.#entries.get(id);
    entry.recording = recording;
    const state = stateOf(recording);
    entry.button.replaceChildren(
      element("span", { class: "when" }, label ?? "Without a label"),
      element("span", { class: "what" }, date ? `Recorded ${dateText(date)}` : `Begun ${dateText(accepted)}`),
      element("span", { class: "what" }, contentOf(recording)),
      element("span", { class: recording.error ? "what failed" : "what", "data-state": state }, state),
    );
  }

  #show() {
    const latest = [...this.#entries.values()].sort((one, other) =>
      one.recording.accepted_at < other.recording.accepted_at ? 1 : -1,
    );
    const list = find("#recordings-list");
    const rows = latest.map(({ row }) => row);
    // Only if they change, so that the focus stays.
    if (rows.length !== list.children.length || rows.some((row, i) => row !== list.children[i]))
      list.replaceChildren(...rows);
    for (const [id, { button }] of this.#entries) button.setAttribute("aria-current", String(id === this.#current));
    find("#recordings").hidden = !rows.length;
    find("#recordings-older").hidden = this.#next === null || this.#next === undefined;
  }
}

function contentOf(recording) {
  const { leads, sampling_rate: rate, number_of_samples: samples } = recording;
  return [leads.length ? count(leads.length, "lead") : null, rate && samples ? durationText(secondsOf(recording)) : null]
    .filter(Boolean)
    .join(" · ");
}
