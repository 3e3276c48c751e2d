/** The list of the user's ECGs: searched and sorted, with more on scrolling. */

import { count, dateText, durationText, element, find, number } from "./dom.js";
import { spelled } from "./ecg/lead_names.js";
import { Refused } from "./gateway.js";

const MOST_NAMES = 4;
// Rows that are added at a time, and ECGs in a call that looks through older ones.
const ROWS = 50;
const CALL = 200;
// A sorted list is complete up to this number of ECGs: more would take minutes.
const MOST_SORTED = 5000;

const descending = (value) => (one, other) => compared(value(other), value(one));
const ORDERS = {
  submitted: descending(({ ecg }) => ecg.accepted_at),
  recorded: descending(({ ecg }) => timeOf(ecg.date)),
  name: (one, other) => compared(one.name === null, other.name === null) || collated(one.name, other.name),
  rate: descending(({ ecg }) => ecg.summary?.heart_rate_bpm ?? -1),
  qrs: descending(({ ecg }) => ecg.summary?.qrs_ms ?? -1),
  quality: (one, other) => compared(qualityOf(one.ecg), qualityOf(other.ecg)),
};

export class List {
  #gateway;
  #names;
  #open;
  #signal;
  #entries = new Map(); // id -> {ecg, name, text, row, since}
  #erased = new Set();
  #next = null;
  #shown = ROWS;
  #current = null;
  #refresh = null;
  #filling = null;
  #problem = "";
  #observer;

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
    find("#search").value = "";
    find("#order").value = "submitted";
    for (const [id, type] of [
      ["#search", "input"],
      ["#order", "change"],
    ]) {
      find(id).addEventListener(
        type,
        () => {
          this.#shown = ROWS;
          this.#show();
          find("#scroller").scrollTop = 0;
          this.#fill();
        },
        { signal },
      );
    }
    find("#older").addEventListener("click", () => this.#more(), { signal });
    this.#observer = new IntersectionObserver((seen) => seen.at(-1).isIntersecting && this.#more());
    signal.addEventListener("abort", () => this.#observer.disconnect());
  }

  /** Fill the list with the first page, which was fetched at sign-in. */
  start({ ecgs, next }) {
    this.#next = next;
    this.#add(ecgs);
    this.#observer.observe(find("#older"));
  }

  /** Return true if the list had this ECG, with its insights, at a time, as `performance.now` tells it. */
  had(id, time) {
    const entry = this.#entries.get(id);
    return entry !== undefined && entry.ecg.status === "done" && entry.since < time;
  }

  /** Return what the list calls an ECG, or undefined. */
  nameOf(id) {
    return this.#entries.get(id)?.name ?? undefined;
  }

  /** Fetch new ECGs after a short delay, so that several that finish together cost one call. */
  refresh() {
    this.#refresh ??= setTimeout(async () => {
      this.#refresh = null;
      await this.#safely(async () => this.#add(await this.#news()));
    }, 250);
  }

  /** Return the latest pages of ECGs, down to the first page with one that is in the list. */
  async #news() {
    const found = [];
    for (let cursor = null; ;) {
      const { ecgs, next } = await this.#gateway.list(cursor, this.#signal);
      found.push(...ecgs);
      if (next === null || !this.#entries.size || ecgs.some(({ id }) => this.#entries.has(id))) return found;
      cursor = next;
    }
  }

  /** Mark the ECG that is open, or none, and show its row, looking for it among older ones if need be. */
  async mark(id) {
    this.#current = id;
    this.#show();
    if (id === null) return;
    await this.#safely(async () => {
      while (id === this.#current && !this.#entries.has(id) && !this.#erased.has(id) && this.#entries.size < MOST_SORTED) {
        if (this.#next === null) return;
        await this.#older(CALL);
      }
      this.#reveal(id);
    });
  }

  /** Remove an ECG that was erased, and keep it away even if its erasure is still under way. */
  remove(id) {
    this.#erased.add(id);
    this.#entries.delete(id);
    if (this.#current === id) this.#current = null;
    this.#show();
  }

  #reveal(id) {
    const entry = this.#entries.get(id);
    if (!entry || id !== this.#current) return;
    const at = this.#chosen().indexOf(entry);
    if (at < 0) return;
    this.#shown = Math.max(this.#shown, at + 1);
    this.#show();
    // Within the list only: the page must not scroll away from the ECG that was opened.
    const [scroller, { offsetTop: top, offsetHeight: height }] = [find("#scroller"), entry.row];
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (top + height > scroller.scrollTop + scroller.clientHeight)
      scroller.scrollTop = top + height - scroller.clientHeight;
  }

  #more() {
    if (this.#chosen().length > this.#shown || this.#next !== null) {
      this.#shown += ROWS;
      this.#show();
      this.#fill();
    }
  }

  /** Look through older ECGs until enough are found to fill the list, and for a sorted list, through all. */
  #fill() {
    if (!this.#lacks()) return;
    this.#filling ??= this.#safely(async () => {
      while (this.#lacks()) await this.#older(this.#query.length || this.#sorted ? CALL : ROWS);
    }).finally(() => {
      this.#filling = null;
      this.#show();
      // The observer tells of changes only, and the end of the list may have stayed in sight.
      this.#observer.unobserve(find("#older"));
      if (!this.#problem && !this.#signal.aborted) this.#observer.observe(find("#older"));
    });
    this.#show();
  }

  #lacks() {
    if (this.#next === null) return false;
    return this.#sorted ? this.#entries.size < MOST_SORTED : this.#chosen().length < this.#shown;
  }

  async #older(limit) {
    const { ecgs, next } = await this.#gateway.list(this.#next, this.#signal, limit);
    this.#next = next;
    this.#add(ecgs);
  }

  #add(ecgs) {
    for (const ecg of ecgs) {
      if (this.#entries.has(ecg.id) || this.#erased.has(ecg.id)) continue;
      const name = this.#names.get(ecg.id) ?? ecg.label ?? null;
      const [text, row, since] = [textOf(ecg, name), this.#row(ecg, name), performance.now()];
      this.#entries.set(ecg.id, { ecg, name, text, row, since });
    }
    this.#show();
  }

  get #query() {
    return find("#search").value.toLowerCase().split(/\s+/).filter(Boolean);
  }

  get #sorted() {
    return find("#order").value !== "submitted";
  }

  /** Return the entries that match the search, in order. */
  #chosen() {
    const words = this.#query;
    const order = ORDERS[find("#order").value];
    return [...this.#entries.values()]
      .filter(({ text }) => words.every((word) => text.includes(word)))
      .sort((one, other) => order(one, other) || ORDERS.submitted(one, other));
  }

  #show() {
    const chosen = this.#chosen();
    fill(find("#earlier"), chosen.slice(0, this.#shown).map(({ row }) => row));
    for (const [id, { row }] of this.#entries) row.firstChild.setAttribute("aria-current", String(id === this.#current));
    find("#older").hidden = this.#next === null && chosen.length <= this.#shown;
    find("#earlier-note").textContent = this.#note(chosen.length);
  }

  #note(found) {
    if (this.#problem) return this.#problem;
    const total = this.#entries.size;
    const all = this.#next === null ? number(total) : `the latest ${number(total)}`;
    if (this.#query.length) {
      if (this.#filling) return `${number(found)} found among ${all}, looking further …`;
      return found ? `${number(found)} of ${all} match.` : `None of ${all} matches.`;
    }
    if (this.#filling) return "Loading older recordings …";
    if (this.#sorted && this.#next !== null) return `Sorted among ${all}.`;
    if (!total) return "Nothing here yet.";
    return this.#next === null && total > MOST_NAMES ? count(total, "recording") : "";
  }

  #row(ecg, name) {
    const { id, date, accepted_at: accepted, error } = ecg;
    const submitted = `Submitted ${dateText(accepted)}`;
    return element(
      "li",
      {},
      element(
        "button",
        {
          type: "button",
          "data-id": id,
          "aria-current": "false",
          title: date ? submitted : "When it was recorded is not known",
          onclick: () => this.#open(id),
        },
        element("span", { class: "when" }, name ?? "Without a label"),
        element("span", { class: "what" }, date ? `Recorded ${dateText(date)}` : submitted),
        ...(error
          ? [element("span", { class: "what failed" }, `failed: ${error}`)]
          : [
              element("span", { class: "what leads" }, contentOf(ecg)),
              measured(ecg) ? element("span", { class: "what measured" }, measured(ecg)) : null,
              quality(ecg),
            ]),
      ),
    );
  }

  async #safely(task) {
    try {
      await task();
      this.#problem = "";
    } catch (error) {
      if (this.#signal.aborted) return;
      if (!(error instanceof Refused)) throw error;
      this.#problem = `Cannot be read: ${error.message}`;
      find("#earlier-note").textContent = this.#problem;
    }
  }
}

/** Return the leads and the length of an ECG. */
function contentOf({ leads, sampling_rate: rate }) {
  const names = leads.map(({ name }) => spelled(name));
  const samples = leads.reduce((most, lead) => Math.max(most, lead.number_of_samples), 0);
  return [
    names.length > MOST_NAMES ? count(names.length, "lead") : names.join(", "),
    rate ? durationText(samples / rate) : samples ? `${count(samples, "sample")}, rate unknown` : null,
  ]
    .filter(Boolean)
    .join(" · ");
}

/** Return the main measurements of an ECG, which have no decimals here. */
function measured({ summary: { heart_rate_bpm: rate, qrs_ms: qrs, qtc_fridericia_ms: qtc } = {} }) {
  return [
    rate === undefined ? null : `${Math.round(rate)} /min`,
    qrs === undefined ? null : `QRS ${Math.round(qrs)} ms`,
    qtc === undefined ? null : `QTcF ${Math.round(qtc)} ms`,
  ]
    .filter(Boolean)
    .join(" · ");
}

function quality({ leads, summary: { usable_leads: usable } = {} }) {
  if (usable === undefined) return null;
  const good = usable === leads.length;
  const all = leads.length === 1 ? "usable" : "all leads usable";
  const text = good ? all : `${usable} of ${count(leads.length, "lead")} usable`;
  return element("span", { class: good ? "what quality" : "what quality poor" }, text);
}

/** Return all that a search finds an ECG by, in lower case. */
function textOf(ecg, name) {
  const { id, label, date, accepted_at: accepted, error, leads } = ecg;
  const leadNames = leads.flatMap((lead) => [lead.name, spelled(lead.name)]);
  const dates = [date ?? "", date ? dateText(date) : "", dateText(accepted), accepted];
  const parts = [name, label, ...dates, ...leadNames, measured(ecg), error ? `failed ${error}` : "", id];
  return parts.filter(Boolean).join(" ").toLowerCase();
}

/** Return the share of usable leads; an ECG that failed has none, and one that was not judged comes last. */
function qualityOf({ leads, error, summary }) {
  if (error !== null) return -1;
  return summary?.usable_leads === undefined ? 2 : summary.usable_leads / leads.length;
}

/** Return a time as a number that unknown ones are below. */
function timeOf(date) {
  const time = Date.parse(date ?? "");
  return Number.isNaN(time) ? -Infinity : time;
}

const collated = new Intl.Collator(undefined, { numeric: true }).compare;

function compared(one, other) {
  return one < other ? -1 : one > other ? 1 : 0;
}

/** Make these rows the children of a list. Only rows that change places are moved, so that the focus stays. */
function fill(list, rows) {
  const wanted = new Set(rows);
  for (const row of [...list.children]) if (!wanted.has(row)) row.remove();
  let at = list.firstChild;
  for (const row of rows) {
    if (row === at) at = at.nextSibling;
    else list.insertBefore(row, at);
  }
}
