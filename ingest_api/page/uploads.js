/** Submission of files, several at a time; a broken file does not stop the others. */

import { Refused } from "./gateway.js";
import { pack } from "./packed.js";
import { group, read } from "./recordings/files.js";
import { UnreadableRecording } from "./recordings/recording.js";
import { encode, idempotencyKey, labelOf } from "./submission.js";

const CONCURRENCY = 3;
// Milliseconds after which the row of an accepted submission says that its result takes long.
const LONG_MS = 30_000;

/**
 * A queue of uploads `{name, state, detail, notes, ecgId, known, alone, openedThen}`, each in one of the states waiting,
 * reading, sending, away (waiting for the server), accepted, done and failed. `known` if its ECG was there before,
 * `alone` if no other recording was chosen with it, `openedThen` is the address's fragment at that time.
 */
export class Uploads {
  #gateway;
  #results;
  #wasThere;
  #onChange;
  #signal;
  #queue = [];
  #working = 0;

  /**
   * @param {Gateway} gateway
   * @param {Results} results
   * @param {(id: string, time: number) => boolean} wasThere returns true if an ECG was in the list at a time
   * @param {(upload: object) => void} onChange
   * @param {AbortSignal} signal
   */
  constructor(gateway, results, wasThere, onChange, signal) {
    this.#gateway = gateway;
    this.#results = results;
    this.#wasThere = wasThere;
    this.#onChange = onChange;
    this.#signal = signal;
  }

  /** Submit the recordings in the chosen files; `given` holds the unit, rate, leads and label that the user chose. */
  async add(files, given) {
    const recordings = await group([...files]);
    for (const chosen of recordings) {
      const upload = { name: chosen.name, state: "waiting", detail: "", notes: [], ecgId: null, known: false };
      Object.assign(upload, { alone: recordings.length === 1, openedThen: given.opened });
      this.#queue.push({ upload, chosen, given });
      this.#change(upload, "waiting");
    }
    while (this.#working < CONCURRENCY && this.#queue.length) this.#work();
  }

  /** Return true if recordings are still to be read or sent, and would be lost with the page. */
  get busy() {
    return this.#working > 0;
  }

  async #work() {
    this.#working++;
    while (this.#queue.length && !this.#signal.aborted) {
      const { upload, chosen, given } = this.#queue.shift();
      try {
        await this.#submit(upload, chosen, given);
        // Not awaited, so that other files are submitted meanwhile.
        this.#finish(upload);
      } catch (error) {
        if (!this.#signal.aborted) this.#change(upload, "failed", reasonOf(error));
      }
    }
    this.#working--;
  }

  async #submit(upload, chosen, given) {
    this.#change(upload, "reading");
    const recording = await read(chosen, given);
    upload.notes = recording.notes;
    const label = given.label ? recording.label ?? labelOf(chosen.name) : null;
    const [unlabelled, packed] = [encode(recording), pack(recording, label)];
    const key = await idempotencyKey(chosen.name, unlabelled);
    this.#change(upload, "sending");
    const begun = performance.now();
    // One large sample widens all samples of its lead.
    const smaller = packed.length <= unlabelled.length ? packed : null;
    const json = () => encode(recording, label);
    upload.ecgId = await this.#gateway.submit(smaller, json, key, this.#signal, (problem) =>
      problem === null
        ? this.#change(upload, "sending")
        : this.#change(upload, "away", "waiting for the server; will be sent automatically"),
    );
    // Not by now: the result may have come before this answer.
    upload.known = this.#wasThere(upload.ecgId, begun);
    this.#change(upload, "accepted");
  }

  async #finish(upload) {
    if (upload.known) {
      this.#change(upload, "done");
      return;
    }
    const late = setTimeout(() => this.#change(upload, "accepted", "stored; waiting for a worker"), LONG_MS);
    const { error } = await this.#results.wait(upload.ecgId);
    clearTimeout(late);
    this.#change(upload, error ? "failed" : "done", error ?? "");
  }

  #change(upload, state, detail = "") {
    Object.assign(upload, { state, detail });
    this.#onChange(upload);
  }
}

function reasonOf(error) {
  if (error instanceof UnreadableRecording || error instanceof Refused) return error.message;
  if (error instanceof DOMException) return "the browser cannot read the file (any more)";
  return "is broken, and cannot be read";
}
