/** Drawing of ECG paper and signals on a canvas; all lengths are in CSS pixels unless their name has another unit. */

import { parts } from "./layout.js";
import { lowerBound, polyline } from "./signal.js";

export const PX_PER_MM = 96 / 25.4;
export const MM_PER_SECOND = 25;
export const MM_PER_MILLIVOLT = 10;
// The space left of the signals, for the calibration pulse (5 mm wide, 1 mV high) with a margin.
export const GUTTER_MM = 10;
export const RULER_PX = 22;

const PAPER = "#fffaf7";
const MINOR = "#f9e0da";
const MAJOR = "#efb9ae";
const TRACE = "#15171c";
const LABEL = "#2b2f38";
const MUTED = "#6b5a56";
const CROSSING = "#1763b6";
const MISSING = "#e6e0dd";
const FONT = 'ui-sans-serif, system-ui, "Helvetica Neue", Arial, sans-serif';

// The widths of a small and a large square in seconds, and below their heights in mV. The first pair is that of ECG
// paper; the others replace it where its lines would be too close together.
const SQUARES_S = [
  [0.04, 0.2],
  [0.2, 1],
  [1, 5],
  [5, 30],
  [30, 150],
  [150, 900],
  [900, 3600],
  [3600, 21600],
];
const SQUARES_MV = [
  [0.1, 0.5],
  [0.5, 2.5],
  [2.5, 5],
];
const NARROWEST_PX = 2.4;
const RULER_S = [0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600];
const RULER_LABEL_PX = 84;
// The least mean distance of crossings: closer marks would run together.
const LEGIBLE_PX = 7;

/**
 * Draw the visible part of an ECG and return the numbers of points and crossings drawn: `{points, crossings, crowded}`.
 * `crowded` is true if crossings were left out because their marks would not be legible.
 *
 * @param {CanvasRenderingContext2D} context scaled to CSS pixels
 * @param {object} view `{width, height, ratio, time, top, pxPerSecond, pxPerMillivolt, rowPx, gutter}`: `time` is at
 *   the gutter's right edge, `top` is the vertical scroll position
 * @param {object} ecg `{layout, leads: {signal, gain, missing}[], samplingRate, showCrossings}`
 */
export function drawPaper(context, view, ecg) {
  context.fillStyle = PAPER;
  context.fillRect(0, 0, view.width, view.height);
  const plot = view.height - RULER_PX;
  drawGrid(context, view, plot);
  const drawn = { points: 0, crossings: 0, crowded: false };
  const seconds = view.time + (view.width - view.gutter) / view.pxPerSecond;
  const rows = ecg.layout.rows
    .map((tracks, i) => ({ tracks, zero: (i + 0.5) * view.rowPx - view.top }))
    .filter(({ zero }) => zero > -view.rowPx && zero < plot + view.rowPx);
  context.save();
  clip(context, view.gutter, 0, view.width - view.gutter, plot);
  const visible = rows.flatMap(({ tracks, zero }) =>
    tracks.flatMap((track) =>
      parts(track, Math.max(view.time, 0), seconds).map((part) => ({
        ...part,
        track,
        zero,
        lead: ecg.leads[track.lead],
      })),
    ),
  );
  for (const part of visible) drawn.points += drawTrace(context, view, part, ecg.samplingRate);
  if (ecg.showCrossings) Object.assign(drawn, drawCrossings(context, view, visible, ecg.samplingRate));
  for (const part of visible) drawName(context, view, part, ecg);
  context.restore();
  drawGutter(context, view, rows, plot);
  drawRuler(context, view, plot, seconds);
  return drawn;
}

const xOf = (view, time) => view.gutter + (time - view.time) * view.pxPerSecond;

function drawGrid(context, view, plot) {
  const [small, large] = squares(SQUARES_S, view.pxPerSecond);
  const [low, high] = squares(SQUARES_MV, view.pxPerMillivolt);
  // Aligned with the zero line of the first row.
  const zero = view.rowPx / 2 - view.top;
  for (const [time, voltage, colour] of [
    [small, low, MINOR],
    [large, high, MAJOR],
  ]) {
    context.fillStyle = colour;
    const across = time * view.pxPerSecond;
    // The grid covers the gutter too.
    const first = Math.ceil((view.time - view.gutter / view.pxPerSecond) / time);
    for (
      let i = first, x = xOf(view, i * time);
      x < view.width;
      i++, x = view.gutter + (i * time - view.time) * view.pxPerSecond
    ) {
      if (across >= NARROWEST_PX) line(context, view.ratio, x, 0, plot, true);
    }
    const down = voltage * view.pxPerMillivolt;
    for (let y = zero - Math.floor(zero / down) * down; y < plot; y += down)
      line(context, view.ratio, y, 0, view.width, false);
  }
}

function squares(sizes, pixels) {
  return sizes.find(([small]) => small * pixels >= NARROWEST_PX) ?? sizes.at(-1);
}

/** Draw a line that is about one CSS pixel wide, aligned to device pixels. */
function line(context, ratio, at, from, to, vertical) {
  const [position, width] = [Math.round(at * ratio) / ratio, Math.max(Math.round(ratio), 1) / ratio];
  if (vertical) context.fillRect(position, from, width, to - from);
  else context.fillRect(from, position, to - from, width);
}

function drawTrace(context, view, { start, end, zero, lead }, rate) {
  const perPixel = rate / view.pxPerSecond / view.ratio;
  const points = polyline(lead.signal, start * rate, Math.min(end * rate, lead.signal.length - 1), perPixel);
  if (!points.length) return 0;
  const scale = view.pxPerMillivolt / lead.gain;
  context.save();
  // So that the trace does not reach into the next part of the row.
  clip(context, xOf(view, start), 0, (end - start) * view.pxPerSecond, view.height);
  context.beginPath();
  const [origin, step] = [xOf(view, 0), view.pxPerSecond / rate];
  for (let i = 0; i < points.length; i += 2) context.lineTo(origin + points[i] * step, zero - points[i + 1] * scale);
  context.strokeStyle = TRACE;
  context.lineWidth = 1.15;
  context.lineJoin = "round";
  context.stroke();
  drawMissing(context, view, { start, end, zero, lead }, rate);
  context.restore();
  return points.length / 2;
}

/** Cover the missing samples, so that the zeros there do not look like a signal. */
function drawMissing(context, view, { start, end, zero, lead }, rate) {
  context.fillStyle = MISSING;
  for (const [first, count] of lead.missing) {
    const [from, to] = [Math.max(first / rate, start), Math.min((first + count) / rate, end)];
    if (from >= to) continue;
    const width = Math.max((to - from) * view.pxPerSecond, 1);
    context.fillRect(xOf(view, from), zero - view.rowPx / 2, width, view.rowPx);
  }
}

function drawCrossings(context, view, visible, rate) {
  const drawn = { crossings: 0, crowded: false };
  context.strokeStyle = CROSSING;
  context.fillStyle = PAPER;
  context.lineWidth = 1.25;
  for (const { start, end, zero, lead } of visible) {
    const { crossings } = lead.signal;
    const [from, to] = [lowerBound(crossings, start * rate), lowerBound(crossings, end * rate)];
    if ((to - from) * LEGIBLE_PX > (end - start) * view.pxPerSecond) {
      drawn.crowded = true;
      continue;
    }
    for (let i = from; i < to; i++) {
      context.beginPath();
      context.arc(xOf(view, crossings[i] / rate), zero, 2.6, 0, 2 * Math.PI);
      context.fill();
      context.stroke();
    }
    drawn.crossings += to - from;
  }
  return drawn;
}

function drawName(context, view, { track, start, zero }, ecg) {
  const sheetStart = track.every === null || Math.abs(start % track.every) - track.start < 1e-6;
  const x = xOf(view, start);
  const name = ecg.layout.names[track.lead];
  context.font = `600 ${view.rowPx < 60 ? 11 : 13}px ${FONT}`;
  const y = zero - view.rowPx / 2 + 15;
  // The outline keeps the name legible on top of a trace.
  context.strokeStyle = PAPER;
  context.lineWidth = 4;
  context.strokeText(name, x + 6, y);
  context.fillStyle = LABEL;
  context.fillText(name, x + 6, y);
  if (track.every !== null && sheetStart) {
    // Ticks mark the beginning of a column.
    context.fillStyle = MUTED;
    for (const y of [zero - view.pxPerMillivolt * 0.5, zero + view.pxPerMillivolt * 0.3]) {
      context.fillRect(x, y, 1, view.pxPerMillivolt * 0.2);
    }
  }
}

/** Draw the calibration pulse of each row: 1 mV for 0.2 s. */
function drawGutter(context, view, rows, plot) {
  context.save();
  clip(context, 0, 0, view.gutter, plot);
  const unit = view.gutter / GUTTER_MM;
  context.strokeStyle = TRACE;
  context.lineWidth = 1.15;
  for (const { zero } of rows) {
    context.beginPath();
    for (const [x, millivolts] of [
      [1, 0],
      [2.5, 0],
      [2.5, 1],
      [7.5, 1],
      [7.5, 0],
      [9, 0],
    ]) {
      context.lineTo(x * unit, zero - millivolts * view.pxPerMillivolt);
    }
    context.stroke();
  }
  context.restore();
}

function drawRuler(context, view, plot, seconds) {
  context.fillStyle = "#ffffff";
  context.fillRect(0, plot, view.width, RULER_PX);
  context.fillStyle = MAJOR;
  context.fillRect(0, plot, view.width, 1);
  context.font = `11px ${FONT}`;
  const every = RULER_S.find((step) => step * view.pxPerSecond >= RULER_LABEL_PX) ?? RULER_S.at(-1);
  context.textAlign = "center";
  for (let i = Math.max(Math.ceil(view.time / every - 1e-9), 0); i * every <= seconds; i++) {
    const x = xOf(view, i * every);
    context.fillStyle = MUTED;
    context.fillRect(Math.round(x), plot, 1, 5);
    if (x > 12 && x < view.width - 20) context.fillText(clock(i * every, every), x, plot + 16);
  }
  context.textAlign = "start";
}

/** Return a time of the recording as text, with tenths of a second if the steps are shorter than a second. */
export function clock(seconds, step = 0.1) {
  const digits = step < 1 ? 1 : 0;
  const tenths = Math.round(seconds * 10 ** digits);
  const whole = Math.floor(tenths / 10 ** digits);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const fraction = digits ? `.${tenths % 10}` : "";
  const pad = (value) => String(value).padStart(2, "0");
  return hours ? `${hours}:${pad(minutes)}:${pad(rest)}${fraction}` : `${minutes}:${pad(rest)}${fraction}`;
}

function clip(context, x, y, width, height) {
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
}
