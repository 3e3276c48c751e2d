/** The results of submitted ECGs: from the event stream, or by polling while there is no stream or it stays silent. */

import { Refused, sleep } from "./gateway.js";

const RECONNECT_MS = [1000, 2000, 5000, 10_000];
// Milliseconds after which a result that the stream has not brought is polled.
const PATIENCE_MS = 10_000;
const WAIT_SECONDS = 10;
// The number of latest results kept, because a result may come before the answer to its submission.
const KEPT = 1000;

export class Results {
  #gateway;
  #signal;
  #onNews;
  #onRecording;
  #open = false;
  #pending = new Map(); // id -> {settle, since}
  #early = new Map(); // id -> outcome
  #wake = () => {};

  /**
   * @param {Gateway} gateway
   * @param {() => void} onNews called when an ECG of the user has, or may have, finished, whoever submitted it
   * @param {(event: object|null) => void} onRecording called with the event of a recording that arrives in chunks, or with
   *   null when events may have been missed
   * @param {AbortSignal} signal stops the stream and the polling
   */
  constructor(gateway, onNews, onRecording, signal) {
    this.#gateway = gateway;
    this.#signal = signal;
    this.#onNews = onNews;
    this.#onRecording = onRecording;
    this.#run(this.#follow());
    this.#run(this.#ask());
  }

  /** Wait for the result of an accepted ECG: `{leads}` or `{error}`. */
  wait(id) {
    const early = this.#early.get(id);
    if (early) return Promise.resolve(early);
    return new Promise((settle) => {
      this.#pending.set(id, { settle, since: Date.now() });
      this.#wake();
    });
  }

  async #follow() {
    const from = { id: null };
    for (let failures = 0; ; failures++) {
      try {
        const opened = () => {
          this.#open = true;
          failures = 0;
          // ECGs may have finished while there was no stream.
          this.#onNews();
          this.#onRecording(null);
        };
        const take = ({ event, data }) => {
          if (event === "recording") this.#onRecording(JSON.parse(data));
          if (event !== "insights" && event !== "failed") return;
          const { ecg_id, leads, detail } = JSON.parse(data);
          this.#finish(ecg_id, event === "insights" ? { leads } : { error: detail });
        };
        await this.#gateway.events(from, opened, take, this.#signal);
      } catch (error) {
        this.#signal.throwIfAborted();
        if (error instanceof Refused && error.status === 422 && from.id !== null) from.id = null;
        // The gateway offers no stream to this token: results are polled instead.
        else if (error instanceof Refused && error.status < 500 && error.status !== 429) return;
      } finally {
        this.#open = false;
        this.#wake();
      }
      await sleep(RECONNECT_MS[Math.min(failures, RECONNECT_MS.length - 1)], this.#signal);
    }
  }

  /** Poll one result at a time, because a browser opens only six connections to a gateway. */
  async #ask() {
    for (;;) {
      const [next] = this.#pending;
      const due = next && (this.#open ? next[1].since + PATIENCE_MS - Date.now() : 0);
      if (!next || due > 0) {
        await this.#sleepOrWake(next ? due : 60_000);
        continue;
      }
      const [id, { settle }] = next;
      // To the end of the queue.
      this.#pending.delete(id);
      this.#pending.set(id, { settle, since: Date.now() });
      let outcome = null;
      try {
        outcome = await this.#gateway.insights(id, { wait: this.#open ? 0 : WAIT_SECONDS, signal: this.#signal });
        // A gateway that answers without waiting must not be polled without a pause.
        if (!outcome && !this.#open) await sleep(500, this.#signal);
      } catch (error) {
        this.#signal.throwIfAborted();
        outcome = error instanceof Refused ? { error: error.message } : null;
      }
      if (outcome) this.#finish(id, outcome);
    }
  }

  #finish(id, outcome) {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    pending?.settle(outcome);
    this.#early.set(id, outcome);
    if (this.#early.size > KEPT) this.#early.delete(this.#early.keys().next().value);
    this.#onNews();
  }

  #sleepOrWake(milliseconds) {
    return Promise.race([
      sleep(milliseconds, this.#signal),
      new Promise((resolve) => {
        this.#wake = resolve;
      }),
    ]);
  }

  #run(task) {
    task.catch((error) => {
      if (!this.#signal.aborted) throw error;
    });
  }
}
