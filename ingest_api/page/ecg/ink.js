/** The colours and letters on the paper, which is light in a dark room too, as paper is. */

export const COLOURS = {
  paper: "#fffaf7",
  minor: "#f9e0da",
  major: "#efb9ae",
  trace: "#15171c",
  label: "#2b2f38",
  muted: "#6b5a56",
  crossing: "#1763b6",
  caliper: "#7a1fa2",
  missing: "#e6e0dd",
  warning: "#ab1f2b",
};
const FONT = 'ui-sans-serif, system-ui, "Helvetica Neue", Arial, sans-serif';
export const font = (size, weight = 400) => `${weight} ${size}px ${FONT}`;

/** Write text that stays legible on top of a trace. */
export function outlined(context, text, x, y, colour) {
  context.strokeStyle = COLOURS.paper;
  context.lineWidth = 4;
  context.strokeText(text, x, y);
  context.fillStyle = colour;
  context.fillText(text, x, y);
}
