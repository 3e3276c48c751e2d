/** The visible part of the paper and its scale, as numbers only. */

import { LINE_SECONDS } from "./layout.js";
import { CLOSEST, equalRooms, roomsOf } from "./rooms.js";
import { FOOT_PX, GUTTER_MM, MM_PER_MILLIVOLT, MM_PER_SECOND, PX_PER_MM } from "./scale.js";

const LARGEST = 12;
// Smaller paper would not be legible: below this zoom only the time axis is compressed.
const SMALLEST_PAPER = 0.5;
// Larger than this, a sheet that fills a wide window would be too high for it.
const LARGEST_FITTED = 1.5;
// In the overview, a minute fills the width, and a line is as high as fits between these.
const LEAST_LINE_MM = 5;
const LINE_MM = 8;
const OVERVIEW_GAIN = 0.25;
// A sheet of paper cannot be scrolled: there, rows come closer.
const CLOSEST_ON_PAPER = 0.35;

export class Viewport {
  width = 1;
  height = 1;
  ratio = 1;
  zoom = 1;
  time = 0;
  top = 0;
  /** Millimetres of paper for a second, at a zoom of 1. */
  speed = MM_PER_SECOND;
  /** The amplitude scale as a multiple of the standard 10 mm/mV. */
  gain = 1;
  /** The length of the recording in seconds. */
  duration = 1;
  /** The seconds before it, if it is a part of a longer recording, whose times are shown. */
  begin = 0;
  /** What the waves of each row need, in millivolts: `[{up, down}]`. */
  needs = [];
  /** True if rows are the minutes of one lead, which all fit into the width. */
  overview = false;
  /** The seconds that the width shows, however wide it becomes, until the user zooms; null afterwards. */
  fitted = null;
  /** The rooms of the rows, in pixels from the top of the content: `[{top, zero, height}]`. */
  rooms = [];

  get paper() {
    return this.overview ? 1 : Math.max(this.zoom, SMALLEST_PAPER);
  }

  get pxPerSecond() {
    return this.overview
      ? Math.max(this.width - this.gutter, 1) / LINE_SECONDS
      : this.zoom * this.speed * PX_PER_MM;
  }

  get mmPerMillivolt() {
    return MM_PER_MILLIVOLT * this.gain * (this.overview ? OVERVIEW_GAIN : 1);
  }

  get pxPerMillivolt() {
    return this.paper * PX_PER_MM * this.mmPerMillivolt;
  }

  get gutter() {
    return this.paper * GUTTER_MM * PX_PER_MM;
  }

  /** The height of all rows and the foot. */
  get contentHeight() {
    const last = this.rooms.at(-1);
    return (last ? last.top + last.height : 0) + FOOT_PX;
  }

  /** The length of the visible part in seconds. */
  get span() {
    return Math.max(this.width - this.gutter, 1) / this.pxPerSecond;
  }

  get latest() {
    return this.overview ? 0 : Math.max(this.duration - this.span, 0);
  }

  get smallest() {
    const gutter = SMALLEST_PAPER * GUTTER_MM * PX_PER_MM;
    return Math.min((this.width - gutter) / (this.duration * this.speed * PX_PER_MM), SMALLEST_PAPER);
  }

  /** Return true if a sheet of `seconds` at the usual speed is legible at this width. */
  holds(seconds) {
    return this.#zoomFor(seconds, MM_PER_SECOND) >= SMALLEST_PAPER;
  }

  /**
   * Zoom so that `seconds` at the usual speed fit into the width, and the rows at the usual gain into `height` pixels,
   * within the limits of legible paper. More gain leaves the zoom as it is: the rows then grow.
   */
  fit(seconds, height) {
    const wide = Math.min(Math.max(this.#zoomFor(seconds, MM_PER_SECOND), SMALLEST_PAPER), LARGEST_FITTED);
    const zoom = Math.max(Math.min(wide, this.#zoomForRows(height, wide)), SMALLEST_PAPER);
    // Zooming moves what is scrolled: only if need be.
    if (zoom !== this.zoom) this.zoomTo(zoom);
    this.fitted = seconds;
  }

  /** Show the whole recording: its time axis is compressed if need be. */
  showAll() {
    this.time = 0;
    this.zoomTo(Math.min(this.#zoomFor(this.duration, this.speed), LARGEST_FITTED));
  }

  /** Give every row its room; rows that do not fit into `height` pixels come closer, up to a share of their rooms. */
  arrange(height, closest = CLOSEST) {
    const unit = this.paper * PX_PER_MM;
    const available = (height - FOOT_PX) / unit;
    const rooms = this.overview
      ? equalRooms(this.needs.length, Math.min(Math.max(available / this.needs.length, LEAST_LINE_MM), LINE_MM))
      : roomsOf(this.needs, this.mmPerMillivolt, available, closest);
    this.rooms = rooms.map((room) => ({ top: room.top * unit, zero: room.zero * unit, height: room.height * unit }));
  }

  /** Return the same place at its true scale on a sheet of paper, with all rows, even if they are higher than the sheet. */
  onPaper(width, height, needs = this.needs) {
    const paper = Object.assign(new Viewport(), this, { width, needs, zoom: 1, top: 0, fitted: null });
    paper.arrange(height, CLOSEST_ON_PAPER);
    paper.height = Math.ceil(paper.contentHeight);
    paper.clamp();
    return paper;
  }

  /** Change the zoom, keeping the point at `x` and `y`, in pixels, in place, or else the time at the left edge. */
  zoomTo(zoom, x = null, y = 0) {
    const time = x === null ? this.time : this.timeAt(x);
    const place = (this.top + y) / this.paper;
    this.fitted = null;
    this.zoom = Math.min(Math.max(zoom, this.smallest), LARGEST);
    this.time = x === null ? time : time - (x - this.gutter) / this.pxPerSecond;
    this.top = place * this.paper - y;
    this.clamp();
  }

  /** Return the time at `x` pixels, without that of the row in the overview. */
  timeAt(x) {
    return this.time + (x - this.gutter) / this.pxPerSecond;
  }

  /** Return the index of the row whose room is at `y` pixels. */
  rowAt(y) {
    const below = this.rooms.findIndex(({ top, height }) => this.top + y < top + height);
    return below < 0 ? this.rooms.length - 1 : below;
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

  #zoomForRows(height, zoom) {
    const available = (height - FOOT_PX) / PX_PER_MM;
    const last = roomsOf(this.needs, MM_PER_MILLIVOLT, available / zoom).at(-1);
    return last ? available / (last.top + last.height) : zoom;
  }

  #zoomFor(seconds, speed) {
    return this.width / (PX_PER_MM * (seconds * speed + GUTTER_MM));
  }
}
