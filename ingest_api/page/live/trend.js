/** The heart rate over a whole recording, by minute: a band from the lowest to the highest rate, and the mean. */

import { drawScale, placeOf } from "../ecg/heart_rate.js";
import { COLOURS } from "../ecg/ink.js";
import { LINE_SECONDS } from "../ecg/layout.js";

const RANGE = "rgb(23 99 182 / 26%)";

/**
 * Return the drawing of minutes, as `RateStrip.present` takes it.
 * @param {object[]} minutes as the gateway gives them; those without a rate are left out
 * @param {[number, number][]} gaps in seconds, from and to
 * @param {number} duration in seconds
 */
export function trendOf(minutes, gaps, duration) {
  const known = minutes.filter(({ mean_rate: mean }) => Number.isFinite(mean));
  const meanOf = ({ mean_rate: mean }) => mean;
  const leastOf = ({ mean_rate: mean, least_rate: least }) => least ?? mean;
  const mostOf = ({ mean_rate: mean, most_rate: most }) => most ?? mean;
  const least = known.reduce((low, minute) => Math.min(low, leastOf(minute)), Infinity);
  const most = known.reduce((high, minute) => Math.max(high, mostOf(minute)), 0);
  const words = known.length ? `from ${Math.round(least)} to ${Math.round(most)} /min` : "no rates yet";
  return {
    duration,
    label: `Heart rate of the whole recording, ${words}${gaps.length ? `, gaps: ${gaps.length}` : ""}`,
    draw(context, size) {
      // Without rates, the scale is a usual one.
      const yOf = drawScale(context, size, known.length ? least : 40, known.length ? most : 120);
      const band = (from, to, top, bottom) => {
        const left = placeOf(from, duration, size.width);
        const right = placeOf(Math.min(to, duration), duration, size.width);
        context.fillRect(left, top, Math.max(right - left, 1), bottom - top);
      };
      context.fillStyle = COLOURS.missing;
      for (const [from, to] of gaps) band(from, to, 0, size.height);
      const bands = (topOf, bottomOf, thickness) => {
        for (const minute of known) {
          const from = minute.minute * LINE_SECONDS;
          const top = yOf(topOf(minute)) - thickness / 2;
          band(from, from + LINE_SECONDS, top, Math.max(yOf(bottomOf(minute)) + thickness / 2, top + thickness));
        }
      };
      context.fillStyle = RANGE;
      bands(mostOf, leastOf, 1);
      context.fillStyle = COLOURS.crossing;
      bands(meanOf, meanOf, 1.5);
    },
  };
}
