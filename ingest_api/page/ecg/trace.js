/** Drawing of a lead in its room: its trace, its name, missing samples, zero crossings, and where it was cut. */

import { COLOURS, font, outlined } from "./ink.js";
import { FOOT_PX, xOf } from "./scale.js";
import { lowerBound, polyline } from "./signal.js";

// The least mean distance of crossings: closer marks would run together.
const LEGIBLE_PX = 7;
// The distance of marks of cut waves.
const CUT_PX = 12;
const LOW_ROOM_PX = 60;

/** Draw a part of a lead, also over its neighbours, and return `{points, cut}`: the points, and the waves cut. */
export function drawTrace(context, view, { start, end, track, room, zero, lead }, rate) {
  const perPixel = rate / view.pxPerSecond / view.ratio;
  const points = polyline(lead.drawn, start * rate, Math.min(end * rate, lead.drawn.length - 1), perPixel);
  if (!points.length) return { points: 0, cut: 0 };
  const scale = (track.sign * view.pxPerMillivolt) / lead.gain;
  const [highest, lowest] = [-view.top, view.contentHeight - FOOT_PX - view.top];
  const cuts = [];
  context.save();
  // So that the trace does not reach into the next part of the row, nor across the lines of the overview.
  context.beginPath();
  const reach = view.overview ? room.height : view.contentHeight;
  context.rect(xOf(view, start, track.shift), room.top - reach, (end - start) * view.pxPerSecond, 3 * reach);
  context.clip();
  context.beginPath();
  const [origin, step] = [xOf(view, 0, track.shift), view.pxPerSecond / rate];
  let beyond = 0;
  for (let i = 0; i < points.length; i += 2) {
    const [x, y] = [origin + points[i] * step, zero - points[i + 1] * scale];
    context.lineTo(x, y);
    const side = y < highest ? -1 : y > lowest ? 1 : 0;
    if (side && side !== beyond && !(x - cuts.at(-1)?.x < CUT_PX)) cuts.push({ x, side });
    beyond = side;
  }
  context.strokeStyle = COLOURS.trace;
  context.lineWidth = 1.15;
  context.lineJoin = "round";
  context.stroke();
  drawMissing(context, view, { start, end, track, room, lead }, rate);
  context.restore();
  if (!view.overview) for (const { x, side } of cuts) drawCut(context, x, side < 0 ? highest : lowest, side);
  return { points: points.length / 2, cut: cuts.length };
}

/** Mark a wave that leaves the paper, with an arrow at its edge. */
function drawCut(context, x, edge, side) {
  context.fillStyle = COLOURS.warning;
  context.beginPath();
  context.moveTo(x, edge);
  context.lineTo(x - 6, edge - side * 10);
  context.lineTo(x + 6, edge - side * 10);
  context.fill();
}

/** Cover the missing samples, so that the zeros there do not look like a signal. */
function drawMissing(context, view, { start, end, track, room, lead }, rate) {
  context.fillStyle = COLOURS.missing;
  for (const [first, count] of lead.missing) {
    const [from, to] = [Math.max(first / rate, start), Math.min((first + count) / rate, end)];
    if (from >= to) continue;
    context.fillRect(xOf(view, from, track.shift), room.top, Math.max((to - from) * view.pxPerSecond, 1), room.height);
  }
}

/**
 * Mark all zero crossings of the window, or none if any lead's are too close together, and return
 * `{crossings, marked}`: their number, and whether they are marked.
 */
export function drawCrossings(context, view, visible, rate) {
  const found = visible.map(({ start, end, lead }) => {
    const { crossings } = lead.signal;
    return crossings.subarray(lowerBound(crossings, start * rate), lowerBound(crossings, end * rate));
  });
  const legible = visible.every(
    ({ start, end }, i) => found[i].length * LEGIBLE_PX <= Math.max((end - start) * view.pxPerSecond, LEGIBLE_PX * 3),
  );
  const marked = legible && !view.overview;
  if (marked) {
    context.strokeStyle = COLOURS.crossing;
    context.fillStyle = COLOURS.paper;
    context.lineWidth = 1.25;
    visible.forEach(({ zero }, i) => {
      for (const crossing of found[i]) {
        context.beginPath();
        context.arc(xOf(view, crossing / rate), zero, 2.6, 0, 2 * Math.PI);
        context.fill();
        context.stroke();
      }
    });
  }
  return { crossings: found.reduce((sum, { length }) => sum + length, 0), marked };
}

/** Write a lead's name at the beginning of its part, with its offset, and with what makes it unusable. */
export function drawName(context, view, { track, start, room, lead }) {
  const sheetStart = track.every === null || Math.abs(start % track.every) - track.start < 1e-6;
  const x = xOf(view, start, track.shift);
  const size = room.height < LOW_ROOM_PX ? 11 : 13;
  const y = Math.max(room.top, 0) + size + 2;
  const notes = [
    lead.reach.offset ? `around ${(track.sign * lead.reach.offset).toFixed(1).replace("-", "−")} mV` : null,
    ...lead.reasons,
  ].filter(Boolean);
  context.font = font(size, 600);
  const beside = context.measureText(track.name).width + 12;
  outlined(context, track.name, x + 6, y, COLOURS.label);
  if (notes.length) {
    context.font = font(11);
    outlined(context, notes.join(", "), x + beside, y, lead.reasons.length ? COLOURS.warning : COLOURS.muted);
  }
  if (track.every !== null && sheetStart) {
    // Ticks mark the beginning of a column.
    context.fillStyle = COLOURS.muted;
    for (const at of [room.zero - view.pxPerMillivolt * 0.5, room.zero + view.pxPerMillivolt * 0.3]) {
      context.fillRect(x, at, 1, view.pxPerMillivolt * 0.2);
    }
  }
}
