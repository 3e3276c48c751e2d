/** The rooms of the rows on the paper: as high as their waves need, closer together where that does not fit. */

// The least room above and below a baseline, and the most that is given to waves: beyond it they are cut, and marked.
const LEAST_UP_MM = 15;
const LEAST_DOWN_MM = 10;
const MOST_MM = 150;
// The distance of bold lines, on which baselines stand, and that of fine lines, on which they stand if rows are closer.
const SQUARE_MM = 5;
// Rows come as close as this share of what their waves need; waves are drawn over their neighbours, as on paper.
export const CLOSEST = 0.7;
// A level as far from zero as this is an offset of the recorder: the trace is drawn around it.
const OFFSET_MV = 1;
// Waves this many times as high as those of the median second get no room of their own: they are artefacts, mostly.
const RARE = 3;

/**
 * Return what a lead's waves reach, in millivolts: `{offset, least, most}`, the last two relative to the offset.
 * @param {Signal} signal
 * @param {number} gain samples' units in a millivolt
 * @param {number} rate samples in a second
 */
export function reachOf(signal, gain, rate) {
  const level = signal.levels.find(({ size }) => size >= rate) ?? signal.levels.at(-1);
  if (!level) {
    const value = (signal.samples[0] ?? 0) / gain;
    return { offset: Math.abs(value) > OFFSET_MV ? value : 0, least: 0, most: 0 };
  }
  const offset = offsetOf(signal.samples, gain);
  const ofSeconds = (values, sign) => Float64Array.from(values, (value) => sign * (value / gain - offset)).sort();
  const usual = (heights) => Math.max(Math.min(heights.at(-1), RARE * heights[heights.length >> 1]), 0);
  return { offset, least: -usual(ofSeconds(level.least, -1)), most: usual(ofSeconds(level.most, 1)) };
}

/** Return the level of samples in millivolts if it is an offset of the recorder, else 0. */
export function offsetOf(samples, gain) {
  const middle = typical(samples) / gain;
  return Math.abs(middle) > OFFSET_MV ? middle : 0;
}

/** Return what the waves of each row need, in millivolts: `[{up, down}]`, of the reaches of its leads. */
export function needsOf(layout, reaches) {
  return layout.rows.map((tracks) => {
    const ends = tracks.map(({ lead, sign }) => {
      const { least, most } = reaches[lead];
      return sign > 0 ? { up: most, down: -least } : { up: -least, down: most };
    });
    return { up: Math.max(...ends.map(({ up }) => up)), down: Math.max(...ends.map(({ down }) => down)) };
  });
}

/**
 * Return the rooms of the rows in millimetres of paper: `[{top, zero, height}]`, `zero` being the baseline's place from
 * the paper's top. Rooms that do not fit into `available` come closer, but no closer than the share `closest`.
 * @param {{up: number, down: number}[]} needs in millivolts
 * @param {number} mmPerMillivolt
 * @param {number} available in millimetres
 * @param {number} closest
 */
export function roomsOf(needs, mmPerMillivolt, available, closest = CLOSEST) {
  const wanted = needs.map(({ up, down }) => ({
    up: within(up * mmPerMillivolt, LEAST_UP_MM),
    down: within(down * mmPerMillivolt, LEAST_DOWN_MM),
  }));
  // What the first row needs above and the last one below stays, because no neighbour's room can be drawn over there.
  const edges = wanted.length ? wanted[0].up + wanted.at(-1).down : 0;
  const between = wanted.reduce((sum, { up, down }) => sum + up + down, 0) - edges;
  const share = between > 0 ? Math.min(Math.max((available - edges) / between, closest), 1) : 1;
  let end = 0;
  return wanted.map(({ up, down }, i) => {
    const top = Math.floor(end);
    const zero = end + up * (i === 0 ? 1 : share);
    end = zero + down * (i === wanted.length - 1 ? 1 : share);
    return { top, zero: Math.floor(zero), height: Math.floor(end) - top };
  });
}

/** Return the rooms of rows that are as high as each other, in millimetres. */
export function equalRooms(count, height) {
  return Array.from({ length: count }, (_, i) => ({ top: i * height, zero: (i + 0.6) * height, height }));
}

function within(millimetres, least) {
  return Math.min(Math.ceil(Math.max(millimetres, least) / SQUARE_MM) * SQUARE_MM, MOST_MM);
}

/** Return the median of a thousand samples over the whole length. */
function typical(samples) {
  const step = Math.max(Math.floor(samples.length / 1000), 1);
  const some = Float64Array.from({ length: Math.ceil(samples.length / step) }, (_, i) => samples[i * step]).sort();
  return some[some.length >> 1];
}
