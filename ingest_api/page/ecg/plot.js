/** The canvas with the paper, moved and zoomed by pointers, wheel and keys. */

import { calipersIn, legAt, moved } from "./calipers.js";
import { drawPaper } from "./paper.js";
import { printoutOf } from "./printout.js";
import { needsOf } from "./rooms.js";
import { PX_PER_MM } from "./scale.js";
import { Viewport } from "./viewport.js";

const STEP = 1.25;
const WHEEL = 0.0088;
// The part of the window that an arrow key moves by.
const ARROW = 0.1;
// The largest height as a share of the window's; taller content is scrolled inside.
const HIGHEST = 0.82;
const LEAST_HEIGHT = 160;
// A pointer that moves less has clicked.
const CLICK_PX = 4;
// A sheet for print: A4 landscape without margins and title, with three device pixels for each CSS pixel.
const PRINT_SHEET_PX = 277 * PX_PER_MM;
const PRINT_HEIGHT_PX = 168 * PX_PER_MM;
const PRINT_RATIO = 3;
// Browsers draw nothing on larger canvases.
const LARGEST_CANVAS = 16_000;

export class Plot {
  viewport = new Viewport();
  /** The calipers, or null while they are put away. */
  calipers = null;
  /** The share of the window's height that this plot may take. */
  share = 1;
  #frame;
  #content;
  #canvas;
  #context;
  #ecg = null;
  #scheduled = false;
  #pointers = new Map();
  #leg = null;
  #onDraw;
  #onPick;
  #screen = null;
  // The frame's width for which the canvas was drawn; 0 if it has to be drawn once the frame is shown.
  #drawnWidth = 0;

  /**
   * @param {HTMLElement} frame the focusable box that scrolls, with one box for the content, which holds the canvas
   * @param {(drawn: object) => void} onDraw called with what `drawPaper` returns
   * @param {(time: number) => void} onPick called with the time of a click in the overview
   */
  constructor(frame, onDraw, onPick) {
    this.#frame = frame;
    this.#content = frame.firstElementChild;
    this.#canvas = frame.querySelector("canvas");
    this.#context = this.#canvas.getContext("2d", { alpha: false });
    this.#onDraw = onDraw;
    this.#onPick = onPick;
    // Drawn at once: the observer runs after this frame's animation callbacks, and resizing a canvas clears it. The
    // height follows from what is drawn.
    new ResizeObserver(() => {
      if (this.#screen || frame.clientWidth === this.#drawnWidth) return;
      this.#measure();
      this.#draw();
    }).observe(frame);
    window.addEventListener("resize", () => this.redraw());
    frame.addEventListener("scroll", () => {
      this.viewport.top = frame.scrollTop;
      this.redraw();
    });
    const canvas = this.#canvas;
    canvas.addEventListener("wheel", (event) => this.#onWheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.#onPointerDown(event));
    canvas.addEventListener("pointermove", (event) => this.#onPointerMove(event));
    canvas.addEventListener("pointerup", (event) => this.#onPointerUp(event));
    canvas.addEventListener("pointercancel", ({ pointerId }) => this.#pointers.delete(pointerId));
    canvas.addEventListener("dblclick", ({ offsetX, offsetY }) => this.zoomBy(2, offsetX, offsetY));
    window.addEventListener("beforeprint", () => this.#print());
    window.addEventListener("afterprint", () => this.#afterPrint());
  }

  /** Show an ECG, in the form of `drawPaper`; `keep` leaves zoom and position as they are. */
  show(ecg, { keep = false, seconds = 10 } = {}) {
    this.#ecg = ecg;
    const { viewport } = this;
    viewport.overview = ecg.layout.kind === "overview";
    viewport.needs = needsOf(
      ecg.layout,
      ecg.leads.map(({ reach }) => reach),
    );
    viewport.duration = Math.max(...ecg.leads.map(({ signal }) => signal.length)) / ecg.samplingRate || 1;
    if (!keep) {
      [viewport.time, viewport.top, this.calipers] = [0, 0, null];
      viewport.fitted = seconds;
      this.#measure();
    }
    this.redraw();
  }

  zoomBy(factor, x = (this.viewport.width + this.viewport.gutter) / 2, y = this.viewport.height / 2) {
    if (this.viewport.overview) {
      if (factor > 1) this.#pick(x, y);
      return;
    }
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

  /**
   * The length of the recording in seconds, the time at which the window begins and ends, and the time before it, as that
   * of `Viewport`.
   */
  get range() {
    const { time, span, duration, overview, begin } = this.viewport;
    return { from: time, to: overview ? duration : Math.min(time + span, duration), duration, begin };
  }

  /** Return the paper with all that is drawn on it at its true scale, as `printoutOf` does. */
  printout(widest, highest) {
    return printoutOf({ ...this.#ecg, calipers: this.calipers }, this.viewport, widest, highest);
  }

  moveTo(time) {
    this.viewport.time = time;
    this.viewport.clamp();
    this.redraw();
  }

  /** Move by windows: 1 is the next one. */
  turn(pages) {
    this.moveTo(this.viewport.time + pages * this.viewport.span);
  }

  /** Move by a part of the window, or the active leg of the calipers by a pixel; false if there was nothing to move. */
  step(across, down = 0) {
    const { top, height, contentHeight } = this.viewport;
    if (this.calipers) {
      this.calipers = moved(this.calipers, this.viewport, across, down);
      this.redraw();
    } else if (across) this.turn(across * ARROW);
    else if (contentHeight <= height + 1) return false;
    else this.scrollTo(top + (down * height) / 4);
    return true;
  }

  scrollTo(top) {
    this.viewport.top = top;
    this.viewport.clamp();
    this.redraw();
  }

  /** Put the calipers into the middle of the window, or away. */
  toggleCalipers() {
    this.calipers = this.calipers || this.viewport.overview ? null : calipersIn(this.viewport);
    this.redraw();
  }

  /** Change the calipers, if there are any. */
  adjustCalipers(change) {
    if (!this.calipers) return;
    this.calipers = { ...this.calipers, ...change(this.calipers) };
    this.redraw();
  }

  /** Schedule one drawing before the next frame, however often this is called. */
  redraw() {
    if (this.#scheduled || this.#screen) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      this.#measure();
      this.#draw();
    });
  }

  /** Fit the viewport to the frame's width and the window's height. */
  #measure() {
    const width = this.#frame.clientWidth;
    if (!width || this.#screen) return;
    const { viewport } = this;
    const limit = Math.max(Math.floor(window.innerHeight * HIGHEST * this.share), LEAST_HEIGHT);
    Object.assign(viewport, { width, ratio: window.devicePixelRatio || 1 });
    if (viewport.fitted !== null && !viewport.overview) viewport.fit(viewport.fitted, limit);
    viewport.arrange(limit);
    viewport.height = Math.min(Math.ceil(viewport.contentHeight), limit);
    viewport.clamp();
  }

  #draw() {
    const { viewport } = this;
    const { width, height, ratio, top } = viewport;
    this.#drawnWidth = this.#screen ? 0 : this.#frame.clientWidth;
    // Nobody sees what is drawn while the frame is hidden, such as when the next ECG is on its way.
    if (!this.#ecg || (!this.#screen && !this.#drawnWidth)) return;
    const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
    // Only if they change, because setting either clears the canvas.
    if (this.#canvas.width !== across) this.#canvas.width = across;
    if (this.#canvas.height !== down) this.#canvas.height = down;
    this.#canvas.style.height = `${height}px`;
    // A finger that goes up or down scrolls, unless it moves the calipers.
    this.#canvas.style.touchAction = this.calipers ? "none" : "pan-y";
    this.#content.style.height = `${Math.ceil(viewport.contentHeight)}px`;
    this.#frame.style.maxHeight = this.#screen ? "none" : `${height + 2}px`;
    if (!this.#screen && Math.abs(this.#frame.scrollTop - top) >= 1) this.#frame.scrollTop = top;
    this.#context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.#onDraw(drawPaper(this.#context, viewport, { ...this.#ecg, calipers: this.calipers }));
  }

  #move(x, y) {
    this.viewport.pan(x, y);
    this.redraw();
  }

  #pick(x, y) {
    const { viewport } = this;
    const [{ shift }] = this.#ecg.layout.rows[viewport.rowAt(y)];
    this.#onPick(shift + viewport.timeAt(x));
  }

  #onWheel(event) {
    const scale = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    const [x, y] = [event.deltaX * scale, event.deltaY * scale];
    const aside = event.shiftKey || Math.abs(x) > Math.abs(y);
    // The wheel scrolls the rows if they do not fit, else the page; once the user has gone to the paper, by a click or
    // the keyboard, it moves along the recording up to its end.
    const { viewport } = this;
    const along = document.activeElement === this.#frame && viewport.contentHeight <= viewport.height + 1;
    const room = y > 0 ? viewport.time < viewport.latest : viewport.time > 0;
    if (event.ctrlKey || event.metaKey) this.zoomBy(Math.exp(-y * WHEEL), event.offsetX, event.offsetY);
    else if (aside) this.#move(x || y, 0);
    else if (along && room) this.#move(y, 0);
    else return;
    event.preventDefault();
  }

  #onPointerDown(event) {
    if (event.button !== 0) return;
    this.#canvas.setPointerCapture(event.pointerId);
    const at = place(event);
    this.#pointers.set(event.pointerId, { ...at, from: at });
    if (!this.calipers || this.#pointers.size > 1) return;
    const { viewport } = this;
    this.#leg = legAt(this.calipers, viewport, at);
    if (this.#leg === null) {
      this.calipers = { ...calipersIn(viewport, at), marching: this.calipers.marching };
      this.#leg = 1;
    }
    this.#moveLeg(at);
  }

  #onPointerMove(event) {
    const before = this.#pointers.get(event.pointerId);
    if (!before) return;
    const now = { ...place(event), from: before.from };
    const others = [...this.#pointers].filter(([id]) => id !== event.pointerId).map(([, other]) => other);
    this.#pointers.set(event.pointerId, now);
    if (!others.length) {
      if (this.#leg !== null && this.calipers) this.#moveLeg(now);
      // On a touch screen, the browser itself scrolls up and down.
      else this.#move(before.x - now.x, event.pointerType === "touch" ? 0 : before.y - now.y);
    } else if (others.length === 1) {
      const [other] = others;
      const apart = ({ x, y }) => Math.hypot(x - other.x, y - other.y) || 1;
      this.#move((before.x - now.x) / 2, (before.y - now.y) / 2);
      this.zoomBy(apart(now) / apart(before), (now.x + other.x) / 2, (now.y + other.y) / 2);
    }
  }

  #onPointerUp(event) {
    const pointer = this.#pointers.get(event.pointerId);
    this.#pointers.delete(event.pointerId);
    this.#leg = null;
    const { x, y } = place(event);
    const still = pointer && Math.hypot(x - pointer.from.x, y - pointer.from.y) < CLICK_PX;
    if (still && this.viewport.overview && this.#ecg) this.#pick(x, y);
  }

  #moveLeg({ x, y }) {
    const { viewport } = this;
    const leg = this.#leg;
    this.adjustCalipers(({ row, legs }) => {
      const zero = viewport.rooms[row].zero - viewport.top;
      const point = { time: viewport.timeAt(x), millivolts: (zero - y) / viewport.pxPerMillivolt };
      return { active: leg, legs: legs.map((other, i) => (i === leg ? point : other)) };
    });
  }

  /** Draw a sheet at its true scale while printing: a CSS millimetre is one on paper, and no row is left out. */
  #print() {
    if (!this.#ecg || this.#screen || !this.#frame.clientWidth) return;
    this.#screen = this.viewport;
    const paper = this.viewport.onPaper(PRINT_SHEET_PX, PRINT_HEIGHT_PX * this.share);
    this.viewport = Object.assign(paper, { ratio: Math.min(PRINT_RATIO, LARGEST_CANVAS / paper.height) });
    this.#canvas.style.width = `${PRINT_SHEET_PX}px`;
    this.#draw();
  }

  #afterPrint() {
    if (!this.#screen) return;
    this.viewport = this.#screen;
    this.#screen = null;
    this.#canvas.style.width = "";
    this.redraw();
  }
}

function place(event) {
  return { x: event.offsetX, y: event.offsetY };
}
