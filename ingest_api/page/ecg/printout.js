/** The paper at its true scale, for files: drawn in parts that fit on their pages. */

import { SHEET_SECONDS } from "./layout.js";
import { drawPaper } from "./paper.js";
import { GUTTER_MM, PX_PER_MM } from "./scale.js";

// Of vector drawings: every sample is drawn, up to 1,134 Hz.
const RATIO = 12;

/**
 * Return an ECG in parts of whole rows that are no higher than `highest` pixels, unless a single row is:
 * `{span, parts: {height, draw(context, time)}[]}`. Each drawing of a part shows `span` seconds.
 * @param {object} ecg in the form of `drawPaper`
 * @param {Viewport} screen how it is shown now: with which speed and gain
 * @param {number} widest in pixels, as is the height
 * @param {number} highest
 */
export function printoutOf(ecg, screen, widest, highest) {
  const width = screen.overview ? widest : widthOf(screen, widest);
  const { rows } = ecg.layout;
  let parts = [];
  for (let sheets = 1; sheets <= rows.length; sheets++) {
    const size = Math.ceil(rows.length / sheets);
    const firsts = Array.from({ length: Math.ceil(rows.length / size) }, (_, i) => i * size);
    parts = firsts.map((first) => partOf(ecg, screen, first, first + size, width, highest));
    if (parts.every(({ height }) => height <= highest)) break;
  }
  return { span: screen.overview ? screen.duration : parts[0].span, parts };
}

/** Return the width of whole sheets of the layout, or of an equal share of one where the paper is too narrow. */
function widthOf({ speed, duration }, widest) {
  const fit = (widest / PX_PER_MM - GUTTER_MM) / speed / SHEET_SECONDS;
  const sheets = fit >= 1 ? Math.min(Math.floor(fit), Math.ceil(duration / SHEET_SECONDS)) : 1 / Math.ceil(1 / fit);
  return (GUTTER_MM + sheets * SHEET_SECONDS * speed) * PX_PER_MM;
}

function partOf(ecg, screen, first, end, width, highest) {
  const view = screen.onPaper(width, highest, screen.needs.slice(first, end));
  view.ratio = RATIO;
  const { span, height } = view;
  const layout = { ...ecg.layout, rows: ecg.layout.rows.slice(first, end) };
  const { calipers } = ecg;
  const draw = (context, time) => {
    view.time = time;
    const within = ({ time: at }) => at >= time && at <= time + span;
    const measured = calipers && calipers.row >= first && calipers.row < end && calipers.legs.some(within);
    const placed = measured ? { ...calipers, row: calipers.row - first } : null;
    drawPaper(context, view, { ...ecg, layout, calipers: placed });
  };
  return { span, height, draw };
}
