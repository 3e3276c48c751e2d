/** The gateway's calls, which are retried while it is unavailable. */

import { PREFIX } from "./address.js";
import { EventParser } from "./events.js";
import { PACKED, unpack } from "./packed.js";

const NOT_NOW = new Set([502, 503, 504]);
const RETRY_FOR_MS = 60_000;
const LONGEST_PAUSE_MS = 10_000;

/** The gateway refused a call: the status and the reason of its answer, and the field that it names, if any. */
export class Refused extends Error {
  constructor(status, detail, field = null) {
    super(detail);
    this.status = status;
    this.field = field;
  }
}

/** The gateway was not reached, or was unavailable, until the retries were given up. */
export class Unavailable extends Error {}

export class Gateway {
  #token;
  #onUnauthorized;
  // Until a gateway proves to be older than the packed encoding, as may happen while they are upgraded.
  #packs = true;

  /**
   * @param {string} token the user's token, which is sent in a header only
   * @param {() => void} onUnauthorized called when the token is wrong or has been revoked
   */
  constructor(token, onUnauthorized) {
    this.#token = token;
    this.#onUnauthorized = onUnauthorized;
  }

  /**
   * Submit an ECG and return its id; sent again with the same key, it is the same ECG and is stored once.
   * @param {Uint8Array|null} packed the body in the packed encoding, or null to send JSON
   * @param {() => Uint8Array} json returns the body as JSON
   */
  async submit(packed, json, key, signal) {
    if (packed !== null && this.#packs) {
      try {
        return await this.#submit(packed, PACKED, key, signal);
      } catch (error) {
        if (!(error instanceof Refused && error.field === "content-type")) throw error;
        this.#packs = false;
      }
    }
    return this.#submit(json(), "application/json", key, signal);
  }

  async #submit(body, type, key, signal) {
    const headers = { "content-type": type, "idempotency-key": key };
    const { document } = await this.#call("/ecgs", { method: "POST", headers, body, signal });
    return document.id;
  }

  /** Return `{ecgs, next}`, the newest first. */
  async list(cursor = null, signal = undefined) {
    const query = new URLSearchParams({ limit: "50", ...(cursor ? { cursor } : {}) });
    return (await this.#call(`/ecgs?${query}`, { signal })).document;
  }

  /** Return an ECG with its signals. */
  async ecg(id, signal) {
    const headers = { accept: `${PACKED}, application/json;q=0.9` };
    const { status, document } = await this.#call(`/ecgs/${encodeURIComponent(id)}`, { headers, signal });
    if (status === 202) throw new Refused(status, document.detail);
    return document;
  }

  /** Return an ECG's insights, or `{error}` if processing failed, or null if it is not processed within `wait` seconds. */
  async insights(id, { wait = 0, signal } = {}) {
    const headers = wait ? { prefer: `wait=${wait}` } : {};
    try {
      const { status, document } = await this.#call(`/ecgs/${encodeURIComponent(id)}/insights`, { headers, signal });
      return status === 202 ? null : document;
    } catch (error) {
      if (error instanceof Refused && error.status === 422) return { error: error.message };
      throw error;
    }
  }

  /**
   * Call `onEvent` for every event until the stream ends: those after `from.id`, or those from now on if it is null.
   * `from.id` is kept up to date, to resume from. After `onOpen` is called, no event is missed.
   */
  async events(from, onOpen, onEvent, signal) {
    const headers = { accept: "text/event-stream", ...(from.id === null ? {} : { "last-event-id": from.id }) };
    const response = await this.#fetch("/events", { headers, signal });
    if (!response.ok) throw await this.#refusal(response);
    onOpen();
    const parser = new EventParser();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      parser.push(read.value).forEach(onEvent);
      from.id = parser.lastId ?? from.id;
    }
  }

  /** Make a call that is safe to retry, and return its answer. */
  async #call(path, options) {
    const deadline = Date.now() + RETRY_FOR_MS;
    for (let attempt = 0; ; attempt++) {
      let [problem, pause] = ["the gateway cannot be reached", null];
      try {
        const response = await this.#fetch(path, options);
        if (response.ok) return { status: response.status, document: await documentOf(response) };
        const refusal = await this.#refusal(response);
        if (!NOT_NOW.has(response.status)) throw refusal;
        [problem, pause] = [refusal.message, retryAfter(response)];
      } catch (error) {
        // fetch throws a TypeError if the connection fails.
        if (!(error instanceof TypeError)) throw error;
      }
      // With jitter, so that clients do not retry in step.
      pause ??= Math.min(250 * 2 ** attempt, LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2);
      if (Date.now() + pause > deadline) throw new Unavailable(`${problem}; try again later`);
      await sleep(pause, options.signal);
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
