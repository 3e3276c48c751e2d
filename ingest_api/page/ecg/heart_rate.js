/** The heart rate over a long recording: a pure function of the beats' positions, and its drawing. */

import { COLOURS, font } from "./ink.js";

// A running median over this many intervals, so that one missed or extra beat is no spike.
const INTERVALS = 5;
const LABELS_PX = 34;
const MARGIN_PX = 6;
const STEPS = [10, 20, 50, 100];
const LEAST_STEP_PX = 18;

/** Return the rate over time, `{times, rates}`, in seconds and beats a minute: one value for each interval. */
export function ratesOf(positions, samplingRate) {
  const length = Math.max(positions.length - 1, 0);
  const [times, rates] = [new Float64Array(length), new Float64Array(length)];
  const window = Math.floor(INTERVALS / 2);
  for (let i = 0; i < length; i++) {
    const near = [];
    for (let k = Math.max(i - window, 0); k <= Math.min(i + window, length - 1); k++)
      near.push(positions[k + 1] - positions[k]);
    near.sort((one, other) => one - other);
    times[i] = positions[i + 1] / samplingRate;
    rates[i] = (60 * samplingRate) / near[near.length >> 1];
  }
  return { times, rates };
}

/** Return the place of a time in pixels, and the time of a place, in a drawing of a width. */
export const placeOf = (time, duration, width) => LABELS_PX + (time / duration) * (width - LABELS_PX);
export const timeAt = (x, duration, width) => (Math.max(x - LABELS_PX, 0) / (width - LABELS_PX)) * duration;

/** Draw paper with a scale that holds the rates from `least` to `most`, and return the place of a rate on it. */
export function drawScale(context, { width, height, ratio }, least, most) {
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.fillStyle = COLOURS.paper;
  context.fillRect(0, 0, width, height);
  const low = Math.floor(least / 10) * 10;
  const high = Math.max(Math.ceil(most / 10) * 10, low + 20);
  const yOf = (rate) => height - MARGIN_PX - ((rate - low) / (high - low)) * (height - 2 * MARGIN_PX);
  const step = STEPS.find((by) => (by / (high - low)) * height >= LEAST_STEP_PX) ?? STEPS.at(-1);
  context.font = font(11);
  context.textAlign = "right";
  for (let rate = Math.ceil(low / step) * step; rate <= high; rate += step) {
    context.fillStyle = COLOURS.minor;
    context.fillRect(LABELS_PX, Math.round(yOf(rate)), width, 1);
    context.fillStyle = COLOURS.muted;
    context.fillText(String(rate), LABELS_PX - 5, Math.min(Math.max(yOf(rate) + 4, 10), height - 2));
  }
  context.textAlign = "start";
  return yOf;
}

/** Draw the rate: in each column of pixels from its least to its greatest value. */
function drawRates(context, size, { times, rates }, duration) {
  const yOf = drawScale(context, size, ...rangeOf(rates));
  context.fillStyle = COLOURS.crossing;
  let [column, low, high] = [-1, 0, 0];
  const drawColumn = () => {
    if (column >= 0) context.fillRect(column, yOf(high) - 0.75, 1, Math.max(yOf(low) - yOf(high), 0) + 1.5);
  };
  for (let i = 0; i < times.length; i++) {
    const x = Math.floor(placeOf(times[i], duration, size.width));
    if (x === column) [low, high] = [Math.min(low, rates[i]), Math.max(high, rates[i])];
    else {
      drawColumn();
      [column, low, high] = [x, rates[i], rates[i]];
    }
  }
  drawColumn();
}

function rangeOf(rates) {
  return rates.reduce(([low, high], rate) => [Math.min(low, rate), Math.max(high, rate)], [Infinity, 0]);
}

/** The strip with the rate of a whole recording, and in it the window of the paper. */
export class RateStrip {
  #box;
  #canvas;
  #window;
  #shown = null;
  #marked = { time: 0, span: 0 };
  // Kept, because asking for it while the paper moves would lay out the page once more for every frame.
  #width = 0;

  /**
   * @param {HTMLElement} box with a canvas, and the mark of the window
   * @param {(time: number) => void} onPick called with the time of a click
   */
  constructor(box, onPick) {
    this.#box = box;
    [this.#canvas, this.#window] = box.children;
    new ResizeObserver(() => this.#draw()).observe(box);
    box.addEventListener("click", ({ clientX }) => {
      const { left, width } = box.getBoundingClientRect();
      onPick(timeAt(clientX - left, this.#shown.duration, width));
    });
  }

  /** Show the rate of beats at `positions`, or hide the strip if there are too few. */
  show(positions, samplingRate, duration) {
    this.#box.hidden = positions.length <= INTERVALS;
    const { positions: before, duration: length } = this.#shown ?? {};
    if (this.#box.hidden || (before === positions && length === duration)) return;
    const found = ratesOf(positions, samplingRate);
    const [least, most] = rangeOf(found.rates);
    this.present({
      positions,
      duration,
      label: `Heart rate over time, from ${Math.round(least)} to ${Math.round(most)} /min`,
      draw: (context, size) => drawRates(context, size, found, duration),
    });
  }

  /**
   * Show a drawing of `duration` seconds.
   * @param {object} shown `{duration, label, draw(context, size)}`: the label says in words what is drawn
   */
  present(shown) {
    this.#shown = shown;
    this.#canvas.setAttribute("aria-label", shown.label);
    this.#draw();
  }

  /** Mark the window of the paper. */
  mark(time, span) {
    this.#marked = { time, span };
    this.#placeMark();
  }

  #placeMark() {
    if (this.#box.hidden || !this.#shown) return;
    const { time, span } = this.#marked;
    const { duration } = this.#shown;
    const left = placeOf(time, duration, this.#width);
    this.#window.style.left = `${left}px`;
    this.#window.style.width = `${placeOf(Math.min(time + span, duration), duration, this.#width) - left}px`;
  }

  #draw() {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    if (!this.#shown || !width) return;
    this.#width = width;
    this.#placeMark();
    const ratio = window.devicePixelRatio || 1;
    Object.assign(this.#canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
    const context = this.#canvas.getContext("2d", { alpha: false });
    this.#shown.draw(context, { width, height, ratio });
  }
}
