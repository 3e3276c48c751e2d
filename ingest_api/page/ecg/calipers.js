/** Calipers: two points of one row, the time and the amplitude between them, and that time marched along the rhythm. */

import { clock } from "./clock.js";
import { COLOURS, font } from "./ink.js";
import { xOf } from "./scale.js";

// Closer marches would run together.
const LEGIBLE_PX = 5;
// A pointer this near takes hold of a leg.
const GRIP_PX = 10;

/**
 * Return what calipers measure: `{seconds, rate, millivolts}`; the rate, of beats in a minute, is null for no time.
 * @param {object} calipers `{row, legs, active, marching}`: two legs `{time, millivolts}`, and the index of the active one
 */
export function measured({ legs: [first, second] }) {
  const seconds = Math.abs(second.time - first.time);
  return { seconds, rate: seconds ? 60 / seconds : null, millivolts: second.millivolts - first.millivolts };
}

/** Return the times between two others at which the calipers' time, marched from their legs, ends again. */
export function marches({ legs: [first, second] }, from, to) {
  const step = Math.abs(second.time - first.time);
  if (!step) return [];
  const steps = Math.ceil((from - first.time) / step);
  const times = [];
  for (let i = steps; first.time + i * step <= to; i++) times.push(first.time + i * step);
  return times;
}

/** Return what the calipers measure as text. */
export function readout(calipers) {
  const { seconds, rate, millivolts } = measured(calipers);
  const time = seconds < 10 ? `${Math.round(seconds * 1000)} ms` : clock(seconds);
  const beats = rate === null ? null : `${rate.toFixed(rate < 100 ? 1 : 0)} /min`;
  return [time, beats, `${millivolts.toFixed(2).replace("-", "−")} mV`].filter(Boolean).join(" · ");
}

/** Return calipers at a point of the window, or a second wide in its middle. */
export function calipersIn(viewport, at = null) {
  const { width, height, gutter } = viewport;
  const middle = at ?? { x: (width + gutter) / 2, y: height / 2 };
  const row = viewport.rowAt(middle.y);
  const millivolts = at ? (viewport.rooms[row].zero - viewport.top - at.y) / viewport.pxPerMillivolt : 0;
  const time = viewport.timeAt(middle.x);
  return {
    row,
    legs: [
      { time, millivolts },
      { time: at ? time : time + 1, millivolts },
    ],
    active: 1,
    marching: false,
  };
}

/** Return the index of the leg near a point, or null. */
export function legAt({ legs }, viewport, { x }) {
  const distances = legs.map(({ time }) => Math.abs(xOf(viewport, time) - x));
  const nearest = distances[1] <= distances[0] ? 1 : 0;
  return distances[nearest] <= GRIP_PX ? nearest : null;
}

/** Return calipers whose active leg has moved by pixels. */
export function moved(calipers, viewport, across, down) {
  const legs = calipers.legs.map(({ time, millivolts }, i) =>
    i === calipers.active
      ? { time: time + across / viewport.pxPerSecond, millivolts: millivolts - down / viewport.pxPerMillivolt }
      : { time, millivolts },
  );
  return { ...calipers, legs };
}

export function drawCalipers(context, view, calipers, plot) {
  const { row, legs, active, marching } = calipers;
  const zero = view.rooms[row].zero - view.top;
  const places = legs.map(({ time, millivolts }) => ({
    x: crisp(xOf(view, time)),
    y: crisp(zero - millivolts * view.pxPerMillivolt),
  }));
  context.save();
  context.strokeStyle = COLOURS.caliper;
  context.fillStyle = COLOURS.caliper;
  context.lineWidth = 1;
  const step = Math.abs(places[1].x - places[0].x);
  if (marching && step >= LEGIBLE_PX) {
    context.setLineDash([4, 4]);
    const end = view.time + (view.width - view.gutter) / view.pxPerSecond;
    for (const time of marches(calipers, view.time, end)) {
      const x = crisp(xOf(view, time));
      stroke(context, x, 0, x, plot);
    }
    context.setLineDash([]);
  }
  for (const { x } of places) stroke(context, x, 0, x, plot);
  const [left, right] = [...places].sort((one, other) => one.x - other.x);
  for (const { y } of places) stroke(context, left.x, y, right.x, y);
  context.beginPath();
  context.arc(places[active].x, places[active].y, 4, 0, 2 * Math.PI);
  context.fill();
  const text = readout(calipers);
  context.font = font(13, 600);
  const width = context.measureText(text).width + 12;
  const x = Math.min(Math.max((left.x + right.x - width) / 2, view.gutter + 2), view.width - width - 2);
  const y = Math.min(Math.max(Math.min(left.y, right.y) - 28, 2), plot - 24);
  context.fillStyle = COLOURS.paper;
  context.fillRect(x, y, width, 22);
  context.strokeRect(x + 0.5, y + 0.5, width - 1, 21);
  context.fillStyle = COLOURS.caliper;
  context.fillText(text, x + 6, y + 15);
  context.restore();
}

/** Return the middle of a pixel, where a line is one pixel wide. */
const crisp = (place) => Math.floor(place) + 0.5;

function stroke(context, fromX, fromY, toX, toY) {
  context.beginPath();
  context.moveTo(fromX, fromY);
  context.lineTo(toX, toY);
  context.stroke();
}
