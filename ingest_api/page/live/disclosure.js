/** Full disclosure: one lead of a whole recording, a minute a line. Only the lines in sight are drawn. */

import { clock } from "../ecg/clock.js";
import { COLOURS, font } from "../ecg/ink.js";
import { actionOf } from "../ecg/keys.js";
import { LINE_SECONDS } from "../ecg/layout.js";
import { MM_PER_MILLIVOLT, PX_PER_MM, xOf } from "../ecg/scale.js";
import { drawTrace } from "../ecg/trace.js";

const LINE_PX = 8 * PX_PER_MM;
// Room for the times in a recording of a month.
const LEFT_PX = 60;
const RIGHT_PX = 36;
const GRID_SECONDS = 10;
// The largest height as a share of the window's.
const HIGHEST = 0.62;
const MARK = "rgb(27 95 168 / 16%)";
// A pointer that moves less than this clicks.
const CLICK_PX = 4;

export class Disclosure {
  #frame;
  #content;
  #canvas;
  #context;
  #samples = null;
  #shown = null;
  #on;
  #scheduled = false;
  /** The time of the marked part in seconds, and its length. */
  time = 0;
  seconds = 10;

  /**
   * @param {HTMLElement} frame the focusable box that scrolls, with one box for the content, which holds the canvas
   * @param {object} on `{open(time), move(time), jump(), more(by)}`: what to do when the marked part is to be opened or
   *   was moved, and on the keys of `KEYS` for typing a time and for gain
   */
  constructor(frame, on) {
    this.#frame = frame;
    this.#content = frame.firstElementChild;
    this.#canvas = frame.querySelector("canvas");
    this.#context = this.#canvas.getContext("2d", { alpha: false });
    this.#on = on;
    new ResizeObserver(() => this.redraw()).observe(frame);
    window.addEventListener("resize", () => this.redraw());
    frame.addEventListener("scroll", () => this.redraw());
    frame.addEventListener("keydown", (event) => this.#onKey(event));
    let from = null;
    this.#canvas.addEventListener("pointerdown", ({ offsetX: x, offsetY: y }) => (from = { x, y }));
    this.#canvas.addEventListener("pointerup", ({ offsetX: x, offsetY: y }) => {
      if (from && Math.hypot(x - from.x, y - from.y) < CLICK_PX) this.#pick(x, y);
      from = null;
    });
  }

  /**
   * Show a recording; the reader's position in it stays.
   * @param {object} shown `{samplingRate, duration, lead, gain, gaps, rates}`: the lead's index, the gain as a multiple of
   *   10 mm/mV, the gaps as `[from, to]` in seconds, and the mean rate of each minute in a Map
   * @param {Samples} samples
   */
  show(shown, samples) {
    this.#shown = shown;
    this.#samples = samples;
    this.#content.style.height = `${this.#lines * LINE_PX}px`;
    this.#frame.style.maxHeight = `${this.#height + 2}px`;
    this.redraw();
  }

  /** Mark the part at a time, and scroll to it. */
  moveTo(time) {
    this.time = this.#within(time);
    const top = Math.floor(this.time / LINE_SECONDS) * LINE_PX;
    const { scrollTop, clientHeight } = this.#frame;
    if (top < scrollTop || top + LINE_PX > scrollTop + clientHeight)
      this.#frame.scrollTop = Math.max(top - (clientHeight - LINE_PX) / 2, 0);
    this.redraw();
  }

  /** Schedule one drawing before the next frame, however often this is called. */
  redraw() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      this.#draw();
    });
  }

  /** The height of the window on the lines, in pixels. */
  get #height() {
    const limit = Math.max(Math.floor(innerHeight * HIGHEST), 4 * LINE_PX);
    return Math.min(Math.ceil(this.#lines * LINE_PX), limit);
  }

  get #lines() {
    return Math.max(Math.ceil(this.#shown.duration / LINE_SECONDS), 1);
  }

  /** Return a time at which a part can begin. */
  #within(time) {
    return Math.max(Math.min(time, this.#shown.duration - this.seconds), 0);
  }

  #draw() {
    const { clientWidth: width } = this.#frame;
    if (!this.#shown || !width) return;
    const height = this.#height;
    const ratio = devicePixelRatio || 1;
    const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.#canvas.width !== across) this.#canvas.width = across;
    if (this.#canvas.height !== down) this.#canvas.height = down;
    this.#canvas.style.height = `${height}px`;
    this.#frame.style.maxHeight = `${height + 2}px`;
    const { scrollTop: top } = this.#frame;
    const first = Math.floor(top / LINE_PX);
    const last = Math.min(Math.ceil((top + height) / LINE_PX), this.#lines) - 1;
    const lines = Array.from({ length: last - first + 1 }, (_, i) => first + i);
    this.#samples.look(lines);
    const context = this.#context;
    const view = {
      ...{ width, height, ratio, top: 0, time: 0, contentHeight: height, overview: true, gutter: LEFT_PX },
      pxPerSecond: Math.max(width - LEFT_PX - RIGHT_PX, 1) / LINE_SECONDS,
      pxPerMillivolt: MM_PER_MILLIVOLT * this.#shown.gain * PX_PER_MM,
    };
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = COLOURS.paper;
    context.fillRect(0, 0, width, height);
    context.fillStyle = COLOURS.minor;
    for (let time = 0; time <= LINE_SECONDS; time += GRID_SECONDS)
      context.fillRect(Math.round(xOf(view, time)), 0, 1, height);
    const rooms = lines.map((line) => ({ line, room: { top: line * LINE_PX - top, height: LINE_PX } }));
    // Traces reach over their neighbours, whose gaps must not cover them.
    for (const { line, room } of rooms) this.#drawBands(context, view, line, room);
    const drawn = rooms.filter(({ line, room }) => this.#drawLine(context, view, line, room));
    // For tests of the page.
    Object.assign(this.#canvas.dataset, { first, last, drawn: drawn.length, time: this.time.toFixed(3) });
  }

  /** Draw the gaps of a line, and the mark of the current part. */
  #drawBands(context, view, line, room) {
    const band = (from, to) => {
      const [start, end] = [from, to].map((time) => Math.min(Math.max(time - line * LINE_SECONDS, 0), LINE_SECONDS));
      if (start < end)
        context.fillRect(xOf(view, start), room.top, Math.max((end - start) * view.pxPerSecond, 1), room.height);
    };
    context.fillStyle = COLOURS.missing;
    for (const [from, to] of this.#shown.gaps) band(from, to);
    context.fillStyle = MARK;
    band(this.time, this.time + this.seconds);
  }

  /** Draw a line's trace with its time and its rate; return false if its samples are not fetched yet. */
  #drawLine(context, view, line, room) {
    const { lead, samplingRate, rates } = this.#shown;
    const minute = this.#samples.get(line);
    const middle = room.top + LINE_PX / 2 + 4;
    if (minute?.leadAt) {
      const part = minute.leadAt(lead);
      const zero = room.top + LINE_PX * 0.6 + part.offset * view.pxPerMillivolt;
      const track = { sign: 1, shift: 0 };
      drawTrace(context, view, { start: 0, end: LINE_SECONDS, track, room, zero, lead: part }, samplingRate);
    } else {
      context.font = font(11);
      context.fillStyle = minute ? COLOURS.warning : COLOURS.muted;
      context.fillText(minute?.error ?? "loading …", LEFT_PX + 8, middle, view.width - LEFT_PX - RIGHT_PX - 16);
    }
    context.font = font(11);
    context.fillStyle = COLOURS.muted;
    context.textAlign = "right";
    context.fillText(clock(line * LINE_SECONDS, LINE_SECONDS), LEFT_PX - 5, middle);
    context.fillStyle = COLOURS.label;
    const rate = rates.get(line);
    context.fillText(rate === undefined ? "–" : String(Math.round(rate)), view.width - 8, middle);
    context.textAlign = "start";
    return Boolean(minute?.leadAt);
  }

  #pick(x, y) {
    const line = Math.min(Math.floor((this.#frame.scrollTop + y) / LINE_PX), this.#lines - 1);
    const width = Math.max(this.#frame.clientWidth - LEFT_PX - RIGHT_PX, 1);
    const second = (Math.min(Math.max(x - LEFT_PX, 0), width) / width) * LINE_SECONDS;
    this.time = this.#within(line * LINE_SECONDS + second - this.seconds / 2);
    this.#on.open(this.time);
  }

  #onKey(event) {
    const step = (seconds) => () => {
      this.moveTo(this.time + seconds);
      this.#on.move(this.time);
    };
    const page = Math.max(Math.floor(this.#frame.clientHeight / LINE_PX) - 1, 1) * LINE_SECONDS;
    const actions = {
      back: step(-this.seconds),
      forward: step(this.seconds),
      up: step(-LINE_SECONDS),
      down: step(LINE_SECONDS),
      previousPage: step(-page),
      nextPage: step(page),
      start: step(-Infinity),
      end: step(Infinity),
      jump: this.#on.jump,
      moreGain: () => this.#on.more(1),
      lessGain: () => this.#on.more(-1),
    };
    const action = event.key === "Enter" ? () => this.#on.open(this.time) : actions[actionOf(event)];
    if (!this.#shown || !action) return;
    action();
    event.preventDefault();
  }
}
