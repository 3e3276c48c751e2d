/** Marks of the insights on the traces: beats, the time between them, and the intervals of each beat. */

import { COLOURS, font, outlined } from "./ink.js";
import { xOf } from "./scale.js";
import { lowerBound } from "./signal.js";

const BANDS = { pr: "rgb(28 107 63 / 13%)", qrs: "rgb(23 99 182 / 17%)", st: "rgb(176 108 0 / 13%)" };
// Closer ticks would run together.
const LEGIBLE_PX = 5;
const LABEL_PX = 44;

/**
 * Mark the beats in the rooms of all visible parts, the intervals of the median beat around each of them, and in the
 * last row the milliseconds from beat to beat. `ecg.beats` is `{positions, waves}`: sample indices, and the times of the
 * waves from the beat's position in seconds, as `wavesOf` returns them, or null.
 */
export function drawBeats(context, view, visible, { beats: { positions, waves }, samplingRate, layout }) {
  const last = layout.rows.at(-1);
  for (const { start, end, track, room } of visible) {
    const [from, to] = [lowerBound(positions, start * samplingRate), lowerBound(positions, end * samplingRate)];
    if ((to - from) * LEGIBLE_PX > (end - start) * view.pxPerSecond) continue;
    context.save();
    context.beginPath();
    context.rect(xOf(view, start), room.top, (end - start) * view.pxPerSecond, room.height);
    context.clip();
    // One more at each side, whose waves may reach into the part.
    for (let i = Math.max(from - 1, 0); i < Math.min(to + 1, positions.length); i++) {
      const time = positions[i] / samplingRate;
      if (waves) drawWaves(context, view, room, time, waves);
      drawTick(context, xOf(view, time), room.top);
      if (!last.includes(track) || i === 0) continue;
      const before = positions[i - 1] / samplingRate;
      if ((time - before) * view.pxPerSecond < LABEL_PX) continue;
      context.font = font(11);
      context.textAlign = "center";
      const text = String(Math.round((time - before) * 1000));
      outlined(context, text, xOf(view, (time + before) / 2), room.top + room.height - 4, COLOURS.crossing);
      context.textAlign = "start";
    }
    context.restore();
  }
}

/**
 * Return the times of a beat's waves from its position in seconds: `{p, onset, end, t}`, of which those that were not
 * measured are null; null if it is not known where the QRS complex begins.
 */
export function wavesOf({ qrs_onset_ms: onset, pr_ms: pr, qrs_ms: qrs, qt_ms: qt } = {}) {
  if (onset === undefined || onset === null) return null;
  const after = (interval) => (interval === undefined || interval === null ? null : (onset + interval) / 1000);
  return {
    p: pr === undefined || pr === null ? null : (onset - pr) / 1000,
    onset: onset / 1000,
    end: after(qrs),
    t: after(qt),
  };
}

function drawWaves(context, view, room, time, { p, onset, end, t }) {
  for (const [first, second, colour] of [
    [p, onset, BANDS.pr],
    [onset, end, BANDS.qrs],
    [end, t, BANDS.st],
  ]) {
    if (first === null || second === null) continue;
    context.fillStyle = colour;
    context.fillRect(xOf(view, time + first), room.top, (second - first) * view.pxPerSecond, room.height);
  }
}

function drawTick(context, x, top) {
  context.fillStyle = COLOURS.crossing;
  context.beginPath();
  context.moveTo(x - 4, top + 1);
  context.lineTo(x + 4, top + 1);
  context.lineTo(x, top + 8);
  context.fill();
}
