/** Server-sent events (HTML standard, 9.2) read with fetch, because EventSource cannot send the token's header. */

/** Parses a stream that comes in pieces of text into events `{event, data}`. */
export class EventParser {
  #rest = "";
  #event = "";
  #data = [];
  /** The latest `id`, of an event or of a block without data; null before the first. */
  lastId = null;

  /** Return the events that a piece of text completes. */
  push(text) {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    return lines.map((line) => this.#line(line)).filter((event) => event !== null);
  }

  #line(line) {
    if (line === "") return this.#dispatch();
    const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line);
    if (field === "event") this.#event = value;
    else if (field === "data") this.#data.push(value);
    else if (field === "id" && !value.includes("\0")) this.lastId = value;
    return null;
  }

  #dispatch() {
    const complete = this.#data.length ? { event: this.#event || "message", data: this.#data.join("\n") } : null;
    this.#event = "";
    this.#data = [];
    return complete;
  }
}
