/** Submission of files, several at a time; a broken file does not stop the others. */

import { Refused, Unavailable } from "./gateway.js";
import { pack } from "./packed.js";
import { group, read } from "./recordings/files.js";
import { UnreadableRecording } from "./recordings/recording.js";
import { encode, idempotencyKey, labelOf } from "./submission.js";

const CONCURRENCY = 3;

/**
 * A queue of uploads `{name, state, detail, notes, ecgId}`, each with one of the states waiting, reading, sending,
 * accepted, done and failed.
 */
export class Uploads {
  #gateway;
  #results;
  #onChange;
  #signal;
  #queue = [];
  #working = 0;

  constructor(gateway, results, onChange, signal) {
    this.#gateway = gateway;
    this.#results = results;
    this.#onChange = onChange;
    this.#signal = signal;
  }

  /** Submit the recordings in the chosen files; `given` holds the unit, rate, leads and label that the user chose. */
  async add(files, given) {
    for (const chosen of await group([...files])) {
      const upload = { name: chosen.name, state: "waiting", detail: "", notes: [], ecgId: null };
      this.#queue.push({ upload, chosen, given });
      this.#change(upload, "waiting");
    }
    while (this.#working < CONCURRENCY && this.#queue.length) this.#work();
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
    // One large sample widens all samples of its lead.
    const smaller = packed.length <= unlabelled.length ? packed : null;
    upload.ecgId = await this.#gateway.submit(smaller, () => encode(recording, label), key, this.#signal);
    this.#change(upload, "accepted");
  }

  async #finish(upload) {
    const { error } = await this.#results.wait(upload.ecgId);
    this.#change(upload, error ? "failed" : "done", error ?? "");
  }

  #change(upload, state, detail = "") {
    Object.assign(upload, { state, detail });
    this.#onChange(upload);
  }
}

function reasonOf(error) {
  if (error instanceof UnreadableRecording || error instanceof Refused || error instanceof Unavailable)
    return error.message;
  if (error instanceof DOMException) return "the browser cannot read the file (any more)";
  return "is broken, and cannot be read";
}
