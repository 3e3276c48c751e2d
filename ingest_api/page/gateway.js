/** The gateway's calls, which are tried again until it answers. */

import { PREFIX } from "./address.js";
import { EventParser } from "./events.js";
import { PACKED, unpack } from "./packed.js";

const NOT_NOW = new Set([502, 503, 504]);
const LONGEST_PAUSE_MS = 10_000;
// Milliseconds after which a call without an answer is shown as waiting. A submission may be large, and the line slow.
const PATIENCE_MS = 10_000;
const UPLOAD_MS = 30_000;
const UNREACHABLE = "the server cannot be reached";

/** The gateway refused a call: the status and the reason of its answer, and the field that it names, if any. */
export class Refused extends Error {
  constructor(status, detail, field = null) {
    super(detail);
    this.status = status;
    this.field = field;
  }
}

export class Gateway {
  #token;
  #outage;
  #onUnauthorized;
  // Until a gateway proves to be older than the packed encoding, as may happen while they are upgraded.
  #packs = true;

  /**
   * @param {string} token the user's token, which is sent in a header only
   * @param {Outage} outage is told what waits while the gateway is unavailable
   * @param {() => void} onUnauthorized called when the token is wrong or has been revoked
   */
  constructor(token, outage, onUnauthorized) {
    this.#token = token;
    this.#outage = outage;
    this.#onUnauthorized = onUnauthorized;
  }

  /**
   * Submit an ECG and return its id; sent again with the same key, it is the same ECG and is stored once.
   * @param {Uint8Array|null} packed the body in the packed encoding, or null to send JSON
   * @param {() => Uint8Array} json returns the body as JSON
   * @param {(problem: string|null) => void} onWait called with the problem while the submission waits for the gateway,
   *   and with null when it goes on
   */
  async submit(packed, json, key, signal, onWait) {
    if (packed !== null && this.#packs) {
      try {
        return await this.#submit(packed, PACKED, key, signal, onWait);
      } catch (error) {
        if (!(error instanceof Refused && error.field === "content-type")) throw error;
        this.#packs = false;
      }
    }
    return this.#submit(json(), "application/json", key, signal, onWait);
  }

  async #submit(body, type, key, signal, onWait) {
    const headers = { "content-type": type, "idempotency-key": key };
    const options = { method: "POST", headers, body, signal };
    const { document } = await this.#call("/ecgs", "submission", options, { patience: UPLOAD_MS, onWait });
    return document.id;
  }

  /** Return `{username, ecgs, next}`, the latest accepted first. */
  async list(cursor = null, signal = undefined, limit = 50) {
    const query = new URLSearchParams({ limit: String(limit), ...(cursor ? { cursor } : {}) });
    return (await this.#call(`/ecgs?${query}`, "list", { signal })).document;
  }

  /** Return an ECG with its signals; `onWait` as in `submit`. */
  async ecg(id, signal, onWait) {
    const path = `/ecgs/${encodeURIComponent(id)}`;
    const headers = { accept: `${PACKED}, application/json;q=0.9` };
    const { status, document } = await this.#call(path, "opened recording", { headers, signal }, { onWait });
    if (status === 202) throw new Refused(status, document.detail);
    return document;
  }

  /** Erase an ECG, or a recording, and return true if that is done, false if it is under way. */
  async erase(id, collection = "ecgs") {
    const options = { method: "DELETE" };
    try {
      return (await this.#call(`/${collection}/${encodeURIComponent(id)}`, "erasure", options)).status === 204;
    } catch (error) {
      // A try whose answer was lost has erased it.
      if (error instanceof Refused && error.status === 404) return true;
      throw error;
    }
  }

  /** Return an ECG's insights, or `{error}` if processing failed, or null if it is not processed within `wait` seconds. */
  async insights(id, { wait = 0, signal } = {}) {
    const headers = wait ? { prefer: `wait=${wait}` } : {};
    try {
      const path = `/ecgs/${encodeURIComponent(id)}/insights`;
      const { status, document } = await this.#call(path, "result", { headers, signal }, { patience: PATIENCE_MS + wait * 1000 });
      return status === 202 ? null : document;
    } catch (error) {
      if (error instanceof Refused && error.status === 422) return { error: error.message };
      throw error;
    }
  }

  /** Return `{recordings, next}`: recordings that arrive in chunks, the latest begun first. */
  async recordings(cursor = null, signal = undefined) {
    const query = new URLSearchParams({ limit: "50", ...(cursor ? { cursor } : {}) });
    return (await this.#call(`/recordings?${query}`, "list of recordings", { signal })).document;
  }

  /** Return the insights of a recording, as far as it has come, or null before anything has; `onWait` as in `submit`. */
  async progress(id, signal, onWait) {
    const path = `/recordings/${encodeURIComponent(id)}/insights`;
    const { status, document } = await this.#call(path, "opened recording", { signal }, { onWait });
    return status === 202 ? null : document;
  }

  /** Return what was found in the minutes from `from` to before `to` of a recording, at most those of a day. */
  async minutes(id, from, to, signal) {
    const path = `/recordings/${encodeURIComponent(id)}/minutes?${new URLSearchParams({ from, to })}`;
    return (await this.#call(path, "rates of the recording", { signal })).document.minutes ?? [];
  }

  /** Return the samples from `from` to before `to` of a recording, in the form of an ECG. */
  async signals(id, from, to, signal, onWait) {
    const path = `/recordings/${encodeURIComponent(id)}/signals?${new URLSearchParams({ from, to })}`;
    const headers = { accept: `${PACKED}, application/json;q=0.9` };
    const { status, document } = await this.#call(path, "signals of the recording", { headers, signal }, { onWait });
    if (status === 202) throw new Refused(status, document.detail);
    return document;
  }

  /**
   * Call `onEvent` for every event until the stream ends: those after `from.id`, or those from now on if it is null.
   * `from.id` is kept up to date, to resume from. After `onOpen` is called, no event is missed.
   */
  async events(from, onOpen, onEvent, signal) {
    const headers = { accept: "text/event-stream", ...(from.id === null ? {} : { "last-event-id": from.id }) };
    const response = await this.#answer("/events", "news of results", { headers, signal }, {}, (response) => response);
    onOpen();
    const parser = new EventParser();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      parser.push(read.value).forEach(onEvent);
      from.id = parser.lastId ?? from.id;
    }
  }

  /** Make a call and return its status and document. */
  async #call(path, what, options, how) {
    return this.#answer(path, what, options, how, async (response) => ({
      status: response.status,
      document: response.status === 204 ? null : await documentOf(response),
    }));
  }

  /**
   * Make a call, which must be safe to repeat, until the gateway answers it, and return what `read` makes of the answer.
   * `what` names the call while it waits.
   */
  async #answer(path, what, options, how, read) {
    const wait = this.#outage.begin(what, how);
    let answered = false;
    try {
      for (let attempt = 0; ; attempt++) {
        let [problem, pause, reached] = [UNREACHABLE, null, false];
        try {
          const response = await this.#fetch(path, options);
          answered = !NOT_NOW.has(response.status);
          if (response.ok) return await read(response);
          const refusal = await this.#refusal(response);
          if (answered) throw refusal;
          [problem, pause, reached] = [refusal.message, retryAfter(response), true];
        } catch (error) {
          // fetch throws a TypeError if the connection fails, also while the answer is read.
          if (!(error instanceof TypeError)) throw error;
          answered = false;
        }
        // With jitter, so that clients do not retry in step.
        pause ??= Math.min(250 * 2 ** attempt, LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2);
        await wait.retryIn(pause, problem, !reached, options.signal);
      }
    } finally {
      wait.end(answered);
    }
  }

  async #fetch(path, { headers = {}, ...options } = {}) {
    const response = await fetch(`${PREFIX}${path}`, {
      ...options,
      headers: { ...headers, "x-user-token": this.#token },
      cache: "no-store",
      credentials: "omit",
      referrerPolicy: "no-referrer",
    });
    if (response.status === 401) this.#onUnauthorized();
    return response;
  }

  async #refusal(response) {
    let document = null;
    try {
      document = await response.json();
    } catch {
      // Not the gateway's answer, but a proxy's.
    }
    const detail = typeof document?.detail === "string" ? document.detail : `the gateway answers ${response.status}`;
    return new Refused(response.status, detail, document?.field ?? null);
  }
}

/** Resolve after a number of milliseconds; reject as soon as the signal aborts. */
export function sleep(milliseconds, signal = undefined) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

async function documentOf(response) {
  const packed = response.headers.get("content-type") === PACKED;
  return packed ? unpack(await response.arrayBuffer()) : response.json();
}

function retryAfter(response) {
  const seconds = Number(response.headers.get("retry-after") ?? NaN);
  return seconds >= 0 && Number.isFinite(seconds) ? seconds * 1000 : null;
}
