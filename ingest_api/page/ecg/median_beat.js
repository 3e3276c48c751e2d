/** The median beat of each lead, enlarged: a pure function of samples and the beats' positions, and its drawing. */

import { COLOURS, font, outlined } from "./ink.js";
import { PX_PER_MM } from "./scale.js";

const MM_PER_SECOND = 100;
const LARGEST_GAIN = 20;
const HEIGHT_MM = 80;
const GUTTER_PX = 8;
// Two lines of names.
const HEAD_PX = 34;
const BEFORE_S = 0.5;
const AFTER_S = 0.75;
// More beats make it no better: noise falls with the square root of their number.
const MOST_BEATS = 40;
// Beats are moved by up to this to lie on each other, judged by their slopes this near the middle of the QRS complex.
const SHIFT_S = 0.032;
const QRS_S = 0.08;
// Beats whose slopes correlate less are of another shape.
const ALIKE = 0.8;
// The baseline is taken between these times before the beat's position.
const BASELINE_S = [0.1, 0.06];

/**
 * Return the median beat, as `{values, mark, rate, count}`: for each lead its values in millivolts, zero shortly before
 * the QRS complex, the index of the beat's position, samples in a second, and the number of alike beats; null if no
 * beat is inside the recording as a whole.
 * @param {{samples: ArrayLike<number>, gain: number}[]} leads
 * @param {ArrayLike<number>} positions of beats, as sample indices
 * @param {number} rate samples in a second
 */
export function medianBeat(leads, positions, rate) {
  const intervals = Array.from(positions, (at, i) => (i ? at - positions[i - 1] : 0)).slice(1);
  if (!intervals.length) return null;
  const rr = median(intervals) / rate;
  const before = Math.floor(Math.min(BEFORE_S, 0.55 * rr) * rate);
  const after = Math.floor(Math.min(AFTER_S, Math.max(0.95 * rr - 0.12, 0.4)) * rate);
  const shift = Math.floor(SHIFT_S * rate) + 1;
  const length = Math.min(...leads.map(({ samples }) => samples.length));
  const inside = Array.from(positions, Math.round).filter(
    (at) => at >= before + shift && at + after + shift < length,
  );
  if (!inside.length) return null;
  const some = spread(inside, MOST_BEATS);
  const first = leads.map(({ samples }) => medianAround(samples, some, before, after));
  const moved = some
    .map((at) => align(leads, first, at, before, shift, Math.floor(QRS_S * rate)))
    .filter(({ likeness }) => likeness >= ALIKE)
    .map(({ at }) => at);
  const alike = moved.length ? moved : some;
  const [from, to] = BASELINE_S.map((seconds) => Math.max(before - Math.floor(seconds * rate), 0));
  const values = leads.map(({ samples, gain }) => {
    const beat = medianAround(samples, alike, before, after);
    const quiet = beat.subarray(from, Math.max(to, from + 1));
    const zero = quiet.reduce((sum, value) => sum + value, 0) / quiet.length;
    return beat.map((value) => (value - zero) / gain);
  });
  return { values, mark: before, rate, count: alike.length };
}

/**
 * Draw leads of a median beat with the onsets and ends of its waves, and return the gain of the drawing in mm/mV.
 * @param {CanvasRenderingContext2D} context scaled to CSS pixels
 * @param {{width: number, height: number}} size
 * @param {object} beat as `medianBeat` returns it
 * @param {number[]} shown the leads to draw on top of each other
 * @param {object} waves as `wavesOf` returns them, or null
 */
export function drawMedianBeat(context, { width, height }, beat, shown, waves) {
  const unit = PX_PER_MM;
  context.fillStyle = COLOURS.paper;
  context.fillRect(0, 0, width, height);
  for (const [step, colour] of [
    [unit, COLOURS.minor],
    [5 * unit, COLOURS.major],
  ]) {
    context.fillStyle = colour;
    for (let x = GUTTER_PX; x < width; x += step) context.fillRect(Math.round(x), 0, 1, height);
    for (let y = HEAD_PX; y < height; y += step) context.fillRect(0, Math.round(y), width, 1);
  }
  const chosen = shown.map((lead) => beat.values[lead]);
  const [least, most] = chosen.reduce(([low, high], row) => [Math.min(low, ...row), Math.max(high, ...row)], [0, 0]);
  const room = (height - HEAD_PX) / unit - 4;
  const gain = [LARGEST_GAIN, 10, 5, 2.5].find((mm) => (most - least) * mm <= room) ?? room / (most - least);
  const zero = HEAD_PX + (2 + Math.max(most * gain, (room - (most - least) * gain) / 2 + most * gain)) * unit;
  const xOf = (seconds) => GUTTER_PX + (seconds + beat.mark / beat.rate) * MM_PER_SECOND * unit;
  context.strokeStyle = COLOURS.trace;
  context.lineWidth = chosen.length > 1 ? 0.9 : 1.5;
  context.lineJoin = "round";
  for (const row of chosen) {
    context.beginPath();
    row.forEach((value, i) => context.lineTo(xOf((i - beat.mark) / beat.rate), zero - value * gain * unit));
    context.stroke();
  }
  if (waves) drawEdges(context, waves, xOf, height);
  return gain;
}

/** The canvas of the enlarged beat. */
export class EnlargedBeat {
  #canvas;

  constructor(canvas) {
    this.#canvas = canvas;
  }

  /** Draw leads of a median beat, or nothing if there is none, and describe it in words. */
  show(beat, leads, { waves, intervals }) {
    this.#canvas.hidden = beat === null;
    if (!beat) return "No beat is inside the recording as a whole.";
    const ratio = window.devicePixelRatio || 1;
    const { width, height } = sizeOf(beat);
    Object.assign(this.#canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
    Object.assign(this.#canvas.style, { width: `${width}px`, height: `${height}px` });
    const context = this.#canvas.getContext("2d", { alpha: false });
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const gain = drawMedianBeat(context, { width, height }, beat, leads, waves);
    const measured = [
      ["PR", intervals.pr_ms],
      ["QRS", intervals.qrs_ms],
      ["QT", intervals.qt_ms],
    ].map(([name, value]) => (value === undefined || value === null ? `${name} –` : `${name} ${Math.round(value)} ms`));
    return [
      ...measured,
      ...(waves ? [] : ["where the waves begin and end is not known for this ECG"]),
      `median of ${beat.count} beats`,
      `${MM_PER_SECOND} mm/s`,
      `${Number(gain.toPrecision(3))} mm/mV`,
    ].join(" · ");
  }
}

/** Return the size of the drawing of a median beat in CSS pixels. */
export function sizeOf({ values, rate }) {
  return {
    width: Math.ceil(2 * GUTTER_PX + (values[0].length / rate) * MM_PER_SECOND * PX_PER_MM),
    height: HEAD_PX + HEIGHT_MM * PX_PER_MM,
  };
}

function drawEdges(context, waves, xOf, height) {
  context.font = font(11, 600);
  // The QRS complex is narrower than both of its names, and close to the P wave.
  for (const [name, time, align, y] of [
    ["P onset", waves.p, "center", 13],
    ["QRS onset", waves.onset, "right", 28],
    ["QRS end", waves.end, "left", 28],
    ["T end", waves.t, "center", 13],
  ]) {
    if (time === null) continue;
    const x = Math.round(xOf(time));
    context.fillStyle = COLOURS.crossing;
    context.fillRect(x, HEAD_PX, 1, height - HEAD_PX);
    context.textAlign = align;
    outlined(context, name, x, y, COLOURS.crossing);
  }
  context.textAlign = "start";
}

/** Return the beat's position at which its slopes are most like those of the first median, and how like. */
function align(leads, template, at, before, shift, reach) {
  let best = { at, likeness: -1 };
  for (let by = -shift; by <= shift; by++) {
    let [product, own, other] = [0, 0, 0];
    for (let lead = 0; lead < leads.length; lead++) {
      const { samples } = leads[lead];
      const scale = 1 / leads[lead].gain;
      for (let i = Math.max(before - reach, 1); i < before + reach && i < template[lead].length; i++) {
        const here = at + by + i - before;
        const slope = (samples[here] - samples[here - 1]) * scale;
        const typical = (template[lead][i] - template[lead][i - 1]) * scale;
        product += slope * typical;
        own += slope * slope;
        other += typical * typical;
      }
    }
    const likeness = own && other ? product / Math.sqrt(own * other) : 0;
    if (likeness > best.likeness) best = { at: at + by, likeness };
  }
  return best;
}

function medianAround(samples, positions, before, after) {
  const column = new Float64Array(positions.length);
  return Float64Array.from({ length: before + after }, (_, i) => {
    positions.forEach((at, k) => {
      column[k] = samples[at - before + i];
    });
    return median(column);
  });
}

function median(values) {
  const sorted = Float64Array.from(values).sort();
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

/** Return at most `most` values, over the whole range. */
function spread(values, most) {
  if (values.length <= most) return values;
  return Array.from({ length: most }, (_, i) => values[Math.floor((i * (values.length - 1)) / (most - 1))]);
}
