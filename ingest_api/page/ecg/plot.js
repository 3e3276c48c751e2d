/** The canvas with the paper, moved and zoomed by pointers, wheel and keys. */

import { SHEET_SECONDS } from "./layout.js";
import { MM_PER_MILLIVOLT, MM_PER_SECOND, RULER_PX, drawPaper } from "./paper.js";
import { Viewport } from "./viewport.js";

const STEP = 1.25;
const WHEEL = 0.0022;
// The largest height as a share of the window's; taller content is scrolled inside.
const HIGHEST = 0.78;
const LEAST_HEIGHT = 120;
// A sheet for print: A4 landscape, with three device pixels for each CSS pixel.
const PRINT_SHEET_PX = (277 / 25.4) * 96;
const PRINT_RATIO = 3;
// Of vector drawings: every sample is drawn, up to 1,134 Hz.
const SHEET_RATIO = 12;

export class Plot {
  viewport = new Viewport();
  #canvas;
  #frame;
  #context;
  #ecg = null;
  #scheduled = false;
  #pointers = new Map();
  #onDraw;

  /**
   * @param {HTMLElement} frame the focusable box around the canvas
   * @param {HTMLCanvasElement} canvas
   * @param {(drawn: {points: number, crossings: number, crowded: boolean}) => void} onDraw
   */
  constructor(frame, canvas, onDraw) {
    this.#frame = frame;
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d", { alpha: false });
    this.#onDraw = onDraw;
    // Drawn at once: the observer runs after this frame's animation callbacks, and resizing a canvas clears it.
    new ResizeObserver(() => {
      this.#measure();
      this.#draw();
    }).observe(frame);
    frame.addEventListener("keydown", (event) => this.#onKey(event));
    canvas.addEventListener("wheel", (event) => this.#onWheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.#onPointerDown(event));
    canvas.addEventListener("pointermove", (event) => this.#onPointerMove(event));
    for (const end of ["pointerup", "pointercancel"])
      canvas.addEventListener(end, ({ pointerId }) => this.#pointers.delete(pointerId));
    canvas.addEventListener("dblclick", ({ offsetX, offsetY }) => this.zoomBy(2, offsetX, offsetY));
    window.addEventListener("beforeprint", () => this.#print(true));
    window.addEventListener("afterprint", () => this.#print(false));
  }

  /** Show an ECG, in the form of `drawPaper`; `keep` leaves zoom and position as they are. */
  show(ecg, { keep = false, seconds = 10 } = {}) {
    this.#ecg = ecg;
    const { viewport } = this;
    viewport.rows = ecg.layout.rows.length;
    viewport.duration = Math.max(...ecg.leads.map(({ signal }) => signal.length)) / ecg.samplingRate || 1;
    this.#measure();
    if (!keep) {
      [viewport.time, viewport.top] = [0, 0];
      viewport.fit(seconds);
    }
    this.redraw();
  }

  zoomBy(factor, x = (this.viewport.width + this.viewport.gutter) / 2, y = this.viewport.height / 2) {
    this.viewport.zoomTo(this.viewport.zoom * factor, x, y);
    this.redraw();
  }

  /** Zoom, keeping the time at the left edge in place. */
  zoomTo(zoom) {
    this.viewport.zoomTo(zoom);
    this.redraw();
  }

  showAll() {
    this.viewport.showAll();
    this.redraw();
  }

  /** The length of the recording in seconds, and the time at which the window begins and ends. */
  get range() {
    const { time, span, duration } = this.viewport;
    return { from: time, to: Math.min(time + span, duration), duration };
  }

  /**
   * Return the paper at its true scale, in parts with whole rows that are no higher than `highest` pixels:
   * `{span, scale, parts: {top, height}[], draw(context, time, part)}`, where the span is in seconds.
   */
  sheet(widest, highest) {
    const view = Object.assign(new Viewport(), {
      ...{ zoom: 1, ratio: SHEET_RATIO, gain: this.viewport.gain },
      ...{ rows: this.viewport.rows, duration: this.viewport.duration },
    });
    // Whole sheets of the layout, where the width allows it.
    view.width = Math.min(widest, view.gutter + SHEET_SECONDS * view.pxPerSecond);
    const rows = Math.max(Math.floor((highest - RULER_PX) / view.rowPx), 1);
    const parts = [];
    for (let first = 0; first < view.rows; first += rows) {
      const height = Math.min(rows, view.rows - first) * view.rowPx + RULER_PX;
      parts.push({ top: first * view.rowPx, height });
    }
    const ecg = this.#ecg;
    const scale = `${MM_PER_SECOND} mm/s, ${MM_PER_MILLIVOLT * view.gain} mm/mV`;
    const draw = (context, time, { top, height }) => {
      Object.assign(view, { time, top, height });
      drawPaper(context, view, ecg);
    };
    return { span: view.span, scale, parts, draw };
  }

  moveTo(time) {
    this.viewport.time = time;
    this.viewport.clamp();
    this.redraw();
  }

  /** Schedule one drawing before the next frame, however often this is called. */
  redraw() {
    this.#measure();
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      this.#draw();
    });
  }

  /** Fit the viewport to the frame's width and the window's height. */
  #measure() {
    const width = this.#frame.clientWidth;
    if (!width) return;
    const height = Math.max(Math.min(this.viewport.contentHeight, window.innerHeight * HIGHEST), LEAST_HEIGHT);
    Object.assign(this.viewport, { width, height, ratio: window.devicePixelRatio || 1 });
    this.viewport.clamp();
  }

  #draw() {
    const { width, height, ratio, contentHeight } = this.viewport;
    if (!this.#ecg || !width) return;
    const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
    // Only if they change, because setting either clears the canvas.
    if (this.#canvas.width !== across) this.#canvas.width = across;
    if (this.#canvas.height !== down) this.#canvas.height = down;
    this.#canvas.style.height = `${height}px`;
    // A vertical drag on a touch screen scrolls the page, unless the paper itself can be scrolled.
    this.#canvas.style.touchAction = contentHeight > height + 1 ? "none" : "pan-y";
    this.#context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.#onDraw(drawPaper(this.#context, this.viewport, this.#ecg));
  }

  #move(x, y) {
    this.viewport.pan(x, y);
    this.redraw();
  }

  #onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { viewport } = this;
    const [across, down] = event.shiftKey
      ? [viewport.width * 0.9, viewport.height * 0.9]
      : [viewport.width * 0.1, viewport.rowPx / 2];
    const scrolls = viewport.contentHeight > viewport.height + 1;
    const actions = {
      ArrowLeft: () => this.#move(-across, 0),
      ArrowRight: () => this.#move(across, 0),
      ArrowUp: scrolls && (() => this.#move(0, -down)),
      ArrowDown: scrolls && (() => this.#move(0, down)),
      PageUp: () => this.#move(-viewport.width * 0.9, 0),
      PageDown: () => this.#move(viewport.width * 0.9, 0),
      Home: () => this.moveTo(0),
      End: () => this.moveTo(viewport.duration),
      "+": () => this.zoomBy(STEP),
      "=": () => this.zoomBy(STEP),
      "-": () => this.zoomBy(1 / STEP),
      1: () => this.zoomTo(1),
      0: () => this.showAll(),
    };
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  #onWheel(event) {
    event.preventDefault();
    const scale = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    const [x, y] = [event.deltaX * scale, event.deltaY * scale];
    if (event.shiftKey || Math.abs(x) > Math.abs(y)) this.#move(x || y, 0);
    else this.zoomBy(Math.exp(-y * WHEEL * (event.ctrlKey ? 4 : 1)), event.offsetX, event.offsetY);
  }

  #onPointerDown(event) {
    if (event.button !== 0) return;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, place(event));
  }

  #onPointerMove(event) {
    const before = this.#pointers.get(event.pointerId);
    if (!before) return;
    const now = place(event);
    const others = [...this.#pointers].filter(([id]) => id !== event.pointerId).map(([, other]) => other);
    this.#pointers.set(event.pointerId, now);
    if (!others.length) {
      this.#move(before.x - now.x, before.y - now.y);
    } else if (others.length === 1) {
      const [other] = others;
      const apart = ({ x, y }) => Math.hypot(x - other.x, y - other.y) || 1;
      this.#move((before.x - now.x) / 2, (before.y - now.y) / 2);
      this.zoomBy(apart(now) / apart(before), (now.x + other.x) / 2, (now.y + other.y) / 2);
    }
  }

  /** Draw a sheet at its true scale while printing: a CSS millimetre is a millimetre on paper. */
  #print(printing) {
    if (!this.#ecg) return;
    const { viewport } = this;
    if (!printing) {
      Object.assign(viewport, this.#screen);
      this.#canvas.style.width = "";
      this.redraw();
      return;
    }
    this.#screen = { zoom: viewport.zoom, time: viewport.time, top: viewport.top };
    viewport.zoom = 1;
    Object.assign(viewport, {
      width: PRINT_SHEET_PX,
      height: Math.min(viewport.contentHeight, PRINT_SHEET_PX * 0.62),
      ratio: PRINT_RATIO,
    });
    viewport.clamp();
    this.#canvas.style.width = `${PRINT_SHEET_PX}px`;
    this.#draw();
  }

  #screen = {};
}

function place(event) {
  return { x: event.offsetX, y: event.offsetY };
}
