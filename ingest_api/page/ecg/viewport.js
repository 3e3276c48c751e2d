/** The visible part of the paper and its scale, as numbers only. */

import { GUTTER_MM, MM_PER_MILLIVOLT, MM_PER_SECOND, PX_PER_MM, RULER_PX } from "./paper.js";

const LARGEST = 12;
// Smaller paper would not be legible: below this zoom only the time axis is compressed.
const SMALLEST_PAPER = 0.5;
const ROW_MM = 30;

export class Viewport {
  width = 1;
  height = 1;
  ratio = 1;
  zoom = 1;
  time = 0;
  top = 0;
  /** The amplitude scale as a multiple of the standard 10 mm/mV. */
  gain = 1;
  /** The length of the recording in seconds. */
  duration = 1;
  rows = 1;

  get paper() {
    return Math.max(this.zoom, SMALLEST_PAPER);
  }

  get pxPerSecond() {
    return this.zoom * MM_PER_SECOND * PX_PER_MM;
  }

  get pxPerMillivolt() {
    return this.paper * MM_PER_MILLIVOLT * PX_PER_MM * this.gain;
  }

  get rowPx() {
    return this.paper * ROW_MM * PX_PER_MM;
  }

  get gutter() {
    return this.paper * GUTTER_MM * PX_PER_MM;
  }

  /** The height of all rows and the ruler. */
  get contentHeight() {
    return this.rows * this.rowPx + RULER_PX;
  }

  /** The length of the visible part in seconds. */
  get span() {
    return Math.max(this.width - this.gutter, 1) / this.pxPerSecond;
  }

  get latest() {
    return Math.max(this.duration - this.span, 0);
  }

  get smallest() {
    const gutter = SMALLEST_PAPER * GUTTER_MM * PX_PER_MM;
    return Math.min((this.width - gutter) / (this.duration * MM_PER_SECOND * PX_PER_MM), SMALLEST_PAPER);
  }

  /** Zoom so that `seconds` fit into the width, within the limits of legible paper. */
  fit(seconds) {
    const zoom = this.width / (PX_PER_MM * (seconds * MM_PER_SECOND + GUTTER_MM));
    this.zoomTo(Math.min(Math.max(zoom, SMALLEST_PAPER), 1.5));
  }

  showAll() {
    this.time = 0;
    this.zoom = this.smallest;
    this.clamp();
  }

  /** Change the zoom, keeping the point at `x` and `y`, in pixels, in place. */
  zoomTo(zoom, x = this.gutter, y = 0) {
    const time = this.time + (x - this.gutter) / this.pxPerSecond;
    const row = (this.top + y) / this.rowPx;
    this.zoom = Math.min(Math.max(zoom, this.smallest), LARGEST);
    this.time = time - (x - this.gutter) / this.pxPerSecond;
    this.top = row * this.rowPx - y;
    this.clamp();
  }

  /** Move by `x` and `y` pixels. */
  pan(x, y) {
    this.time += x / this.pxPerSecond;
    this.top += y;
    this.clamp();
  }

  clamp() {
    this.time = Math.min(Math.max(this.time, 0), this.latest);
    this.top = Math.min(Math.max(this.top, 0), Math.max(this.contentHeight - this.height, 0));
  }
}
