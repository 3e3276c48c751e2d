/** Filters for the eye: pure functions of samples. What is stored, counted and measured is never filtered. */

// Butterworth's quality: no ripple below the corner.
const FLAT = Math.SQRT1_2;
// A notch takes about two hertz around the mains' frequency.
const NOTCH_HZ = 2;
const WANDER_HZ = 0.5;
const MUSCLE_HZ = 40;
// The seconds by which both ends are extended, so that filters have settled where the recording begins.
const SETTLING_S = 2;

/** The filters by their names in the page: how the paper names them, their coefficients, and how ends are extended. */
export const FILTERS = {
  baseline: { title: "baseline (0.5 Hz high-pass)", at: WANDER_HZ, make: highPass, extend: mirror },
  mains50: { title: "mains 50 Hz", at: 50, make: notch, extend: repeat },
  mains60: { title: "mains 60 Hz", at: 60, make: notch, extend: repeat },
  muscle: { title: "40 Hz low-pass", at: MUSCLE_HZ, make: lowPass, extend: mirror },
};

/** Return whether a rate is high enough for a filter. */
export function isPossible(name, rate) {
  return rate > 2.2 * FILTERS[name].at;
}

/**
 * Return filtered samples, forward and backward, so that no wave is moved in time.
 * @param {ArrayLike<number>} samples
 * @param {string[]} names of filters
 * @param {number} rate samples in a second
 */
export function filtered(samples, names, rate) {
  const possible = names.filter((name) => isPossible(name, rate));
  if (!possible.length || samples.length < 2) return samples;
  const { length } = samples;
  let values = samples;
  for (const name of possible) {
    const { at, make, extend } = FILTERS[name];
    const margin = Math.min(Math.round(SETTLING_S * rate), length - 1);
    const padded = new Float64Array(length + 2 * margin);
    padded.set(values, margin);
    extend(padded, margin, Math.round(rate));
    const coefficients = make((2 * Math.PI * at) / rate, at);
    for (const _ of ["forward", "backward"]) {
      pass(padded, coefficients);
      padded.reverse();
    }
    values = padded.slice(margin, margin + length);
  }
  return values;
}

/** Extend both ends turned around: the line goes on as it began. */
function mirror(padded, margin) {
  const last = padded.length - margin - 1;
  for (let i = 1; i <= margin; i++) {
    padded[margin - i] = 2 * padded[margin] - padded[margin + i];
    padded[last + i] = 2 * padded[last] - padded[last - i];
  }
}

/** Extend both ends by repeating a second, which holds whole periods of the mains: the hum goes on in step. */
function repeat(padded, margin, second) {
  const last = padded.length - margin - 1;
  if (second > last - margin) {
    mirror(padded, margin);
    return;
  }
  for (let i = 1; i <= margin; i++) {
    padded[margin - i] = padded[margin - i + second];
    padded[last + i] = padded[last + i - second];
  }
}

/** Filter values in place, once, starting as if the first value had been there for ever. */
function pass(values, { b, a }) {
  const [b0, b1, b2] = b;
  const [a1, a2] = a;
  const [first] = values;
  const settled = (first * (b0 + b1 + b2)) / (1 + a1 + a2);
  let [x1, x2, y1, y2] = [first, first, settled, settled];
  for (let i = 0; i < values.length; i++) {
    const x = values[i];
    const y = b0 * x + b1 * x1 + b2 * x2 - a1 * y1 - a2 * y2;
    [x2, x1, y2, y1] = [x1, x, y1, y];
    values[i] = y;
  }
}

// Second-order sections of the bilinear transform, for an angle in radians for each sample; passed twice, they are 6 dB
// down at their corners. Robert Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients".
function lowPass(angle) {
  const [cosine, alpha] = [Math.cos(angle), Math.sin(angle) / (2 * FLAT)];
  return section([(1 - cosine) / 2, 1 - cosine, (1 - cosine) / 2], [1 + alpha, -2 * cosine, 1 - alpha]);
}

function highPass(angle) {
  const [cosine, alpha] = [Math.cos(angle), Math.sin(angle) / (2 * FLAT)];
  return section([(1 + cosine) / 2, -1 - cosine, (1 + cosine) / 2], [1 + alpha, -2 * cosine, 1 - alpha]);
}

function notch(angle, hertz) {
  const [cosine, alpha] = [Math.cos(angle), (Math.sin(angle) * NOTCH_HZ) / (2 * hertz)];
  return section([1, -2 * cosine, 1], [1 + alpha, -2 * cosine, 1 - alpha]);
}

function section(b, [a0, a1, a2]) {
  return { b: b.map((value) => value / a0), a: [a1 / a0, a2 / a0] };
}
