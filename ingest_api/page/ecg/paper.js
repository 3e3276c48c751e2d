/** Drawing of ECG paper with its traces; all lengths are in CSS pixels unless their name has another unit. */

import { drawCalipers } from "./calipers.js";
import { clock } from "./clock.js";
import { FILTERS } from "./filters.js";
import { COLOURS, font } from "./ink.js";
import { LINE_SECONDS, parts } from "./layout.js";
import { drawBeats } from "./marks.js";
import { FOOT_PX, GUTTER_MM, PX_PER_MM, RULER_PX, xOf } from "./scale.js";
import { drawCrossings, drawName, drawTrace } from "./trace.js";

// The distances of fine and bold lines: millimetres of paper, and the seconds that replace them where lines of time
// would be too close together.
const SQUARES_MM = [
  [1, 5],
  [5, 25],
];
const SQUARES_S = [
  [0.2, 1],
  [1, 5],
  [5, 30],
  [30, 150],
  [150, 900],
  [900, 3600],
  [3600, 21600],
];
const NARROWEST_PX = 2.4;
const RULER_S = [0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600];
const RULER_LABEL_PX = 84;

/**
 * Draw the visible part of an ECG and return `{points, crossings, marked, cut, hidden}`: the points drawn, the zero
 * crossings in the window and whether they are marked, the waves cut at the edge of the paper, and the names of the
 * leads of which nothing is seen: `{above, below, left, right}`.
 *
 * @param {CanvasRenderingContext2D} context scaled to CSS pixels
 * @param {Viewport} view `time` is at the gutter's right edge, `top` is the vertical scroll position
 * @param {object} ecg `{layout, leads, samplingRate, showCrossings, beats, calipers, filters}`, a lead being
 *   `{signal, drawn, gain, reach, missing, reasons}`: `drawn` is the signal as filtered for the eye, the reach is what
 *   `reachOf` returns, and the reasons are those for which it is not usable
 */
export function drawPaper(context, view, ecg) {
  context.fillStyle = COLOURS.paper;
  context.fillRect(0, 0, view.width, view.height);
  const plot = view.height - FOOT_PX;
  drawGrid(context, view, plot);
  const rows = ecg.layout.rows.map((tracks, i) => ({ tracks, room: placed(view.rooms[i], view.top) }));
  // A neighbour's waves may reach into the window.
  const near = rows.filter(({ room }) => room.top + 2 * room.height > 0 && room.top - room.height < plot);
  const visible = near.flatMap(({ tracks, room }) => visibleParts(view, ecg, tracks, room));
  const hidden = hiddenLeads(view, rows, visible, plot);
  const drawn = { points: 0, cut: 0, crossings: 0, marked: false, hidden };
  context.save();
  clip(context, view.gutter, 0, view.width - view.gutter, plot);
  if (ecg.beats && !view.overview) drawBeats(context, view, visible, ecg);
  for (const part of visible) {
    const { points, cut } = drawTrace(context, view, part, ecg.samplingRate);
    drawn.points += points;
    drawn.cut += cut;
  }
  if (ecg.showCrossings) Object.assign(drawn, drawCrossings(context, view, visible, ecg.samplingRate));
  if (!view.overview) for (const part of visible) drawName(context, view, part);
  if (ecg.calipers && !view.overview) drawCalipers(context, view, ecg.calipers, plot);
  context.restore();
  context.save();
  clip(context, 0, 0, view.gutter, plot);
  if (view.overview) drawMinutes(context, view, near);
  else for (const { room } of near) drawPulse(context, view, room.zero);
  context.restore();
  drawFoot(context, view, plot, captionOf(view, ecg.filters));
  return drawn;
}

/** Return the scale and the filters as text. */
export function captionOf(view, filters) {
  const compressed = view.overview || view.zoom < view.paper;
  const speed = view.overview ? "a minute a line" : compressed ? "time compressed" : `${view.speed} mm/s`;
  const named = filters.map((name) => FILTERS[name].title);
  const scale = `${speed} · ${view.mmPerMillivolt} mm/mV`;
  return named.length ? `${scale} · filters for the eye: ${named.join(", ")}` : scale;
}

function placed({ top, zero, height }, scrolled) {
  return { top: top - scrolled, zero: zero - scrolled, height };
}

function visibleParts(view, ecg, tracks, room) {
  const end = view.time + (view.width - view.gutter) / view.pxPerSecond;
  return tracks.flatMap((track) => {
    const lead = ecg.leads[track.lead];
    // Where 0 mV is, which an offset of the recorder moves away from the baseline.
    const zero = room.zero + track.sign * lead.reach.offset * view.pxPerMillivolt;
    // Nothing of a sheet follows the end of the recording, not even names.
    const last = Math.min(end, view.duration - track.shift);
    return parts(track, Math.max(view.time, 0), last).map((part) => ({ ...part, track, room, zero, lead }));
  });
}

/** Return the names of leads of which nothing is seen, or in the overview the times of lines. */
function hiddenLeads(view, rows, visible, plot) {
  const seen = new Set();
  for (const { track, room } of visible) if (room.zero >= 0 && room.zero <= plot) seen.add(track.lead);
  const hidden = { above: [], below: [], left: [], right: [] };
  const told = new Set();
  for (const { tracks, room } of rows) {
    const beyond = room.zero < 0 ? "above" : room.zero > plot ? "below" : null;
    for (const { lead, name, shift, end, every } of tracks) {
      if (view.overview && beyond) hidden[beyond].push(clock(shift, LINE_SECONDS));
      if (seen.has(lead) || told.has(lead)) continue;
      told.add(lead);
      // Of a lead in a column: whether the window begins after its part of the sheet.
      const passed = every !== null && view.time % every >= end;
      hidden[beyond ?? (passed ? "left" : "right")].push(name);
    }
  }
  return hidden;
}

function drawGrid(context, view, plot) {
  const millimetre = view.paper * PX_PER_MM;
  const [small, large] = timeSquares(view);
  const [low, high] = SQUARES_MM.find(([fine]) => fine * millimetre >= NARROWEST_PX) ?? SQUARES_MM.at(-1);
  for (const [time, down, colour] of [
    [small, low * millimetre, COLOURS.minor],
    [large, high * millimetre, COLOURS.major],
  ]) {
    context.fillStyle = colour;
    if (time * view.pxPerSecond >= NARROWEST_PX) {
      // The grid covers the gutter too.
      const first = Math.ceil((view.time - view.gutter / view.pxPerSecond) / time);
      for (let i = first, x = xOf(view, i * time); x < view.width; i++, x = xOf(view, i * time))
        line(context, view.ratio, x, 0, plot, true);
    }
    if (view.overview) continue;
    // Aligned with the first baseline, from which the others are whole millimetres away.
    const zero = (view.rooms[0]?.zero ?? 0) - view.top;
    for (let y = zero - Math.floor(zero / down) * down; y < plot; y += down)
      line(context, view.ratio, y, 0, view.width, false);
  }
}

function timeSquares({ overview, speed, pxPerSecond }) {
  const paper = overview ? [] : SQUARES_MM.slice(0, 1).map((millimetres) => millimetres.map((mm) => mm / speed));
  const sizes = [...paper, ...SQUARES_S];
  return sizes.find(([small]) => small * pxPerSecond >= NARROWEST_PX) ?? sizes.at(-1);
}

/** Draw a line that is about one CSS pixel wide, aligned to device pixels. */
function line(context, ratio, at, from, to, vertical) {
  const [position, width] = [Math.round(at * ratio) / ratio, Math.max(Math.round(ratio), 1) / ratio];
  if (vertical) context.fillRect(position, from, width, to - from);
  else context.fillRect(from, position, to - from, width);
}

/** Draw the calibration pulse of a row: 1 mV for 5 mm. */
function drawPulse(context, view, zero) {
  const unit = view.gutter / GUTTER_MM;
  context.strokeStyle = COLOURS.trace;
  context.lineWidth = 1.15;
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

/** Write the time at which each line of the overview begins. */
function drawMinutes(context, view, rows) {
  context.font = font(11);
  context.fillStyle = COLOURS.muted;
  context.textAlign = "right";
  for (const { tracks, room } of rows)
    context.fillText(clock(tracks[0].shift, LINE_SECONDS), view.gutter - 5, room.zero + 4);
  context.textAlign = "start";
}

function drawFoot(context, view, plot, caption) {
  context.fillStyle = "#ffffff";
  context.fillRect(0, plot, view.width, FOOT_PX);
  context.fillStyle = COLOURS.major;
  context.fillRect(0, plot, view.width, 1);
  context.font = font(11);
  context.fillStyle = COLOURS.muted;
  const end = view.time + (view.width - view.gutter) / view.pxPerSecond;
  const every = RULER_S.find((step) => step * view.pxPerSecond >= RULER_LABEL_PX) ?? RULER_S.at(-1);
  context.textAlign = "center";
  for (let i = Math.max(Math.ceil((view.begin + view.time) / every - 1e-9), 0); i * every <= view.begin + end; i++) {
    const x = xOf(view, i * every - view.begin);
    context.fillRect(Math.round(x), plot, 1, 5);
    const label = clock(i * every, every);
    const half = context.measureText(label).width / 2;
    if (x > half && x < view.width - half) context.fillText(label, x, plot + 16);
  }
  context.textAlign = "start";
  context.fillStyle = COLOURS.label;
  context.fillText(caption, 8, plot + RULER_PX + 11, view.width - 16);
}

function clip(context, x, y, width, height) {
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
}
