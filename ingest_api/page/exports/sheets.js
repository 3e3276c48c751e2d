/** An ECG on sheets of paper at its true scale, with its label, dates and insights: drawn alike into a PDF and a picture. */

import { clock } from "../ecg/clock.js";
import { COLOURS, font } from "../ecg/ink.js";
import { PX_PER_MM } from "../ecg/scale.js";

export const PAPERS = {
  a4: { title: "A4", width: 297, height: 210 },
  letter: { title: "Letter", width: 279.4, height: 215.9 },
};
const MARGIN_MM = 9;
const HEAD_PX = 58;
const FOOT_PX = 18;
const GAP_PX = 10;
const LINE_PX = 14;
const COLUMNS = 4;
const SOFT = "#545d6b";
const NO_DIAGNOSIS = "Measurements for people who can judge them, not a diagnosis.";

/**
 * Return the sheets of an ECG: `{width, height, draw(context)}[]`, in millimetres.
 * @param {object} opened `{ecg, title, facts, measurements: {title, value, remark}[], plot}` of the ECG that is open
 * @param {object} paper one of `PAPERS`
 * @param {{from: number, to: number, duration: number, begin: number}} range as `Plot.range`
 */
export function sheetsOf({ ecg, title, facts, measurements, plot }, paper, range) {
  const width = (paper.width - 2 * MARGIN_MM) * PX_PER_MM;
  const height = (paper.height - 2 * MARGIN_MM) * PX_PER_MM;
  const room = height - HEAD_PX - FOOT_PX;
  const table = tableOf(measurements, width);
  // The measurements stand where clinicians look first: rows leave room for them.
  const drawing = plot.printout(width, room - (table ? table.height + GAP_PX : 0));
  const blocks = table ? [table] : [];
  const count = Math.max(Math.ceil((range.to - range.from) / drawing.span - 1e-6), 1);
  for (let i = 0; i < count; i++) {
    const time = range.from + i * drawing.span;
    for (const part of drawing.parts)
      blocks.push({ time, height: part.height, draw: (context) => part.draw(context, time) });
  }
  const pages = [[]];
  let free = room;
  for (const block of blocks) {
    if (pages.at(-1).length && block.height > free) {
      pages.push([]);
      free = room;
    }
    pages.at(-1).push(block);
    free -= block.height + GAP_PX;
  }
  return pages.map((page, i) => ({
    width: paper.width,
    height: paper.height,
    draw(context) {
      context.fillStyle = "#ffffff";
      context.fillRect(0, 0, paper.width * PX_PER_MM, paper.height * PX_PER_MM);
      let y = MARGIN_MM * PX_PER_MM;
      drawHead(context, title, [facts, `ECG ${ecg.id}`], y, width);
      y += HEAD_PX;
      for (const block of page) {
        at(context, MARGIN_MM * PX_PER_MM, y, () => block.draw(context));
        y += block.height + GAP_PX;
      }
      drawFoot(context, page, `Page ${i + 1} of ${pages.length}`, drawing.span, range, width, paper);
    },
  }));
}

/** Draw with the origin at a place. */
function at(context, x, y, draw) {
  context.save();
  context.translate(x, y);
  draw();
  context.restore();
}

function drawHead(context, title, lines, top, width) {
  const x = MARGIN_MM * PX_PER_MM;
  write(context, title, x, top + 16, { size: 17, weight: 700, widest: width });
  lines.forEach((line, i) => write(context, line, x, top + 33 + i * LINE_PX, { colour: SOFT, size: 11, widest: width }));
}

function drawFoot(context, page, number, span, range, width, paper) {
  const y = (paper.height - MARGIN_MM) * PX_PER_MM - 2;
  const x = MARGIN_MM * PX_PER_MM;
  const times = page.map(({ time }) => time).filter((time) => time !== undefined);
  if (times.length) {
    const end = Math.min(Math.max(...times) + span, range.duration);
    const [from, to, last] = [Math.min(...times), end, range.duration].map((time) => clock(range.begin + time));
    const text = `${from} to ${to} of ${last}`;
    write(context, text, x, y, { colour: SOFT, size: 11 });
  }
  write(context, number, x + width, y, { colour: SOFT, size: 11, align: "right" });
}

function tableOf(measurements, width) {
  if (!measurements.length) return null;
  const rows = Math.ceil(measurements.length / COLUMNS);
  const across = width / COLUMNS;
  return {
    height: (rows + 1) * LINE_PX,
    draw(context) {
      context.font = font(10.5);
      const titles = Math.max(...measurements.map(({ title }) => context.measureText(title).width));
      const [before, widest] = [Math.min(titles + 8, across * 0.55), across * 0.2];
      measurements.forEach(({ title, value, remark }, i) => {
        const [x, y] = [Math.floor(i / rows) * across, ((i % rows) + 1) * LINE_PX - 3];
        write(context, title, x, y, { colour: SOFT, size: 10.5, widest: before - 8 });
        write(context, value, x + before, y, { size: 10.5, weight: 700, widest });
        const after = before + Math.min(context.measureText(value).width, widest) + 6;
        if (remark) write(context, remark, x + after, y, { colour: SOFT, size: 9, widest: across - after - 8 });
      });
      write(context, NO_DIAGNOSIS, 0, (rows + 1) * LINE_PX - 3, { colour: SOFT, size: 9 });
    },
  };
}

function write(context, text, x, y, { colour = COLOURS.trace, size, weight = 400, align = "start", widest }) {
  context.font = font(size, weight);
  context.fillStyle = colour;
  context.textAlign = align;
  context.fillText(text, x, y, ...(widest === undefined ? [] : [widest]));
  context.textAlign = "start";
}
