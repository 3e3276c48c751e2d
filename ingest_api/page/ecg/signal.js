/** The data that drawing needs of a lead's samples, computed once for each lead. */

/**
 * A lead ready to be drawn.
 * @param {ArrayLike<number>} samples in ADC units; parsed from JSON as Numbers, so only approximate beyond 2^53
 */
export class Signal {
  #crossings = null;

  constructor(samples) {
    this.samples = narrow(samples);
    this.levels = pyramid(this.samples);
    const all = this.levels.at(-1) ?? { least: this.samples, most: this.samples };
    [this.least, this.most] = [all.least[0] ?? 0, all.most[0] ?? 0];
  }

  /** Return what is needed to draw filtered samples, which are never counted or measured. */
  static filtered(samples) {
    const values = Float32Array.from(samples);
    return { samples: values, levels: pyramid(values), length: values.length };
  }

  get length() {
    return this.samples.length;
  }

  /** The indices that `zeroCrossings` returns, found when they are first asked for: an ECG opens without them. */
  get crossings() {
    return (this.#crossings ??= zeroCrossings(this.samples));
  }
}

/** Return numbers in the smallest typed array that holds them; those of a packed ECG are in one already. */
function narrow(samples) {
  if (ArrayBuffer.isView(samples)) return samples;
  const [least, most] = extremes(samples);
  const Type =
    least >= -32768 && most <= 32767 ? Int16Array : least >= -(2 ** 31) && most < 2 ** 31 ? Int32Array : Float64Array;
  return Type.from(samples);
}

function extremes(samples) {
  let [least, most] = [0, 0];
  for (const sample of samples) {
    if (sample < least) least = sample;
    else if (sample > most) most = sample;
  }
  return [least, most];
}

/** Return the extremes of every 2, 4, 8 ... samples: `[{size, least, most}]`, the finest level first. */
export function pyramid(samples) {
  const levels = [];
  let [least, most] = [samples, samples];
  for (let size = 2; least.length > 1; size *= 2) {
    const length = Math.ceil(least.length / 2);
    const [lower, upper] = [new samples.constructor(length), new samples.constructor(length)];
    for (let i = 0, k = 0; k < least.length; i++, k += 2) {
      // The last value may have no neighbour.
      const next = Math.min(k + 1, least.length - 1);
      lower[i] = Math.min(least[k], least[next]);
      upper[i] = Math.max(most[k], most[next]);
    }
    levels.push({ size, least: lower, most: upper });
    [least, most] = [lower, upper];
  }
  return levels;
}

/** Return the indices at which the signal becomes 0 or changes its sign; a step away from 0 is not a crossing. */
export function zeroCrossings(samples) {
  const found = [];
  for (let i = 1; i < samples.length; i++) {
    const [before, now] = [samples[i - 1], samples[i]];
    if ((now === 0 && before !== 0) || (now > 0 && before < 0) || (now < 0 && before > 0)) found.push(i);
  }
  return Uint32Array.from(found);
}

/** Return the index of the first of the sorted numbers that is not less than `value`. */
export function lowerBound(sorted, value) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Return the polyline of the samples from `start` to `end` at a resolution of `samplesPerPixel`: the sample number and
 * the value of each point, one after the other. Several samples in a pixel are replaced by their extremes, so that no
 * peak is lost and the number of points depends on the pixels alone: at most four for each.
 */
export function polyline(signal, start, end, samplesPerPixel) {
  const from = Math.max(Math.floor(start), 0);
  const to = Math.min(Math.ceil(end) + 1, signal.length);
  if (from >= to) return new Float64Array(0);
  const level = signal.levels.findLast(({ size }) => size <= samplesPerPixel);
  if (!level) {
    const points = new Float64Array((to - from) * 2);
    for (let i = from, at = 0; i < to; i++) {
      points[at++] = i;
      points[at++] = signal.samples[i];
    }
    return points;
  }
  const { size, least, most } = level;
  const [first, last] = [Math.floor(from / size), Math.min(Math.ceil(to / size), least.length)];
  const points = new Float64Array((last - first) * 4);
  for (let i = first, at = 0; i < last; i++) {
    // Alternate between up and down: consecutive buckets then meet at the same end, without spurious diagonals.
    const even = i % 2 === 0;
    points[at++] = (i + 0.25) * size;
    points[at++] = even ? least[i] : most[i];
    points[at++] = (i + 0.75) * size;
    points[at++] = even ? most[i] : least[i];
  }
  return points;
}
