/** What waits for a gateway that does not answer, and when it is tried again. */

import { sleep } from "./gateway.js";

// Calls that are not answered within this time are shown as waiting.
const PATIENCE_MS = 10_000;

export class Outage {
  // When the browser gave notice that it has lost its network; null once a later call is answered or the network is back.
  #lost = null;
  #waits = new Set();
  #onChange;

  /** @param {() => void} onChange called when anything begins or ends to wait, or a wait gets another reason */
  constructor(onChange) {
    this.#onChange = onChange;
    // The notices, not `navigator.onLine`: a server on the same machine is reached without a network.
    addEventListener("offline", () => this.#setLost(performance.now()));
    addEventListener("online", () => {
      this.#setLost(null);
      this.tryNow();
    });
  }

  /** True while this computer has no network, as far as is known. */
  get offline() {
    return this.#lost !== null;
  }

  /** Return what waits now, the longest wait first: `{what, problem, until}`; `until` is the time of the next try. */
  get waits() {
    return [...this.#waits].filter(({ problem }) => problem !== null);
  }

  /** Try again now whatever waits for its next try. */
  tryNow() {
    for (const wait of this.#waits) wait.wake();
    this.#onChange();
  }

  #setLost(time) {
    this.#lost = time;
    this.#onChange();
  }

  /**
   * Begin a call; `what` names it in the plural or singular of `count`, such as "submission".
   * @param {object} how `{patience, onWait}`: milliseconds in which the call may stay unanswered, and a function that
   *   is called with the problem when the call begins to wait, and with null when it goes on
   */
  begin(what, { patience = PATIENCE_MS, onWait = () => {} } = {}) {
    const wait = new Wait(what, patience, (problem) => {
      onWait(problem);
      this.#onChange();
    });
    this.#waits.add(wait);
    wait.expect();
    return {
      /** Wait before the next try, because of a problem, unless the signal aborts. */
      retryIn: async (milliseconds, problem, unreachable, signal) => {
        await wait.pause(milliseconds, problem, unreachable, signal);
        wait.expect();
      },
      /** End the call; `answered` tells that the gateway can be reached, so that other calls are tried at once. */
      end: (answered) => {
        this.#waits.delete(wait);
        wait.end();
        if (!answered) return;
        // An answer that was on its way when the network was lost says nothing about the network now.
        if (this.offline && wait.tried > this.#lost) this.#setLost(null);
        for (const other of this.#waits) if (other.unreachable) other.wake();
      },
    };
  }
}

class Wait {
  problem = null;
  until = null;
  unreachable = false;
  tried = null;
  wake = () => {};
  #timer = null;
  #patience;
  #onChange;

  constructor(what, patience, onChange) {
    this.what = what;
    this.#patience = patience;
    this.#onChange = onChange;
  }

  /** From now on an answer is expected. A problem stays shown until there is one. */
  expect() {
    this.until = null;
    this.unreachable = false;
    this.tried = performance.now();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#tell("the server does not answer"), this.#patience);
    if (this.problem !== null) this.#onChange(this.problem);
  }

  async pause(milliseconds, problem, unreachable, signal) {
    clearTimeout(this.#timer);
    this.until = Date.now() + milliseconds;
    this.unreachable = unreachable;
    this.#tell(problem);
    const woken = new Promise((resolve) => (this.wake = resolve));
    await Promise.race([sleep(milliseconds, signal), woken]);
  }

  end() {
    clearTimeout(this.#timer);
    if (this.problem !== null) this.#tell(null);
  }

  #tell(problem) {
    this.problem = problem;
    this.#onChange(problem);
  }
}
