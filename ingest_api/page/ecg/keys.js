/** The keys of the sheet: one list, for the handler and for the help. */

/** What each key does: `{shown, does, actions}`, the actions by the key's name in events, with "Shift+" before it. */
export const KEYS = [
  { shown: "← →", does: "Move by a tenth of the window", actions: { ArrowLeft: "back", ArrowRight: "forward" } },
  {
    shown: "Page Up, Page Down; Shift with ← →",
    does: "The window before, the next window",
    actions: {
      PageUp: "previousPage",
      PageDown: "nextPage",
      "Shift+ArrowLeft": "farBack",
      "Shift+ArrowRight": "farForward",
    },
  },
  { shown: "↑ ↓", does: "Scroll rows that do not fit", actions: { ArrowUp: "up", ArrowDown: "down" } },
  { shown: "Home, End", does: "Beginning and end of the recording", actions: { Home: "start", End: "end" } },
  { shown: "J", does: "Type a time to go to", actions: { j: "jump" } },
  { shown: "+ −", does: "Zoom in and out", actions: { "+": "zoomIn", "=": "zoomIn", "-": "zoomOut" } },
  { shown: "1", does: "True size: a millimetre of paper is a millimetre", actions: { 1: "trueSize" } },
  { shown: "0", does: "The whole recording", actions: { 0: "whole" } },
  { shown: "G, Shift with G", does: "More gain, less gain", actions: { g: "moreGain", "Shift+G": "lessGain" } },
  { shown: "S, Shift with S", does: "Faster and slower paper", actions: { s: "faster", "Shift+S": "slower" } },
  { shown: "L", does: "Next layout", actions: { l: "nextLayout" } },
  { shown: "Z", does: "Zero crossings", actions: { z: "crossings" } },
  { shown: "B", does: "Beats and intervals", actions: { b: "beats" } },
  { shown: "E", does: "The median beat, enlarged", actions: { e: "medianBeat" } },
  { shown: "C", does: "Calipers, or put them away", actions: { c: "calipers", Escape: "noCalipers" } },
  {
    shown: "Arrows, with Shift ten times as far",
    does: "While there are calipers: move their active leg by a pixel",
    actions: { "Shift+ArrowUp": "farUp", "Shift+ArrowDown": "farDown" },
  },
  { shown: "X", does: "While there are calipers: the other leg", actions: { x: "otherLeg" } },
  { shown: "M", does: "While there are calipers: march them along the rhythm", actions: { m: "march" } },
  { shown: "P", does: "Hide or show the panels beside the paper", actions: { p: "panels" } },
  { shown: "F", does: "Full screen", actions: { f: "fullScreen" } },
  { shown: "?", does: "This list", actions: { "?": "help" } },
];

const ACTIONS = new Map(KEYS.flatMap(({ actions }) => Object.entries(actions)));

/** Return the name of a key event's action, or undefined. */
export function actionOf({ key, shiftKey, ctrlKey, metaKey, altKey }) {
  if (ctrlKey || metaKey || altKey) return undefined;
  // Signs such as + and ? need Shift on some keyboards and not on others; letters mean the same with Caps Lock.
  const letter = /^[a-z]$/i.test(key);
  const name = letter ? (shiftKey ? key.toUpperCase() : key.toLowerCase()) : key;
  return shiftKey && (letter || ACTIONS.has(`Shift+${name}`)) ? ACTIONS.get(`Shift+${name}`) : ACTIONS.get(name);
}
