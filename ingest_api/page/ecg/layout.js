/** The layout of an ECG's leads on the paper: a pure function of their names. */

import { spelled as spelledOf } from "./lead_names.js";

// Layouts of twelve leads in columns, each of which shows its part of every sheet of ten seconds. A name with a minus
// is a lead upside down: in Cabrera's order, from left to below, −aVR stands between I and II.
const COLUMNS = {
  standard: {
    rows: [
      ["I", "aVR", "V1", "V4"],
      ["II", "aVL", "V2", "V5"],
      ["III", "aVF", "V3", "V6"],
    ],
    rhythm: ["II"],
  },
  six: {
    rows: [
      ["I", "V1"],
      ["II", "V2"],
      ["III", "V3"],
      ["aVR", "V4"],
      ["aVL", "V5"],
      ["aVF", "V6"],
    ],
    rhythm: [],
  },
  cabrera: {
    rows: [
      ["aVL", "V1"],
      ["I", "V2"],
      ["−aVR", "V3"],
      ["II", "V4"],
      ["aVF", "V5"],
      ["III", "V6"],
    ],
    rhythm: [],
  },
};
const TWELVE = COLUMNS.six.rows.flat();
const UPSIDE_DOWN = "−";
export const SHEET_SECONDS = 10;
export const LINE_SECONDS = 60;

/**
 * Return the possible layouts of the leads, the usual one first: `{kind, names, rows}`, where the kind is "standard",
 * "six", "cabrera" or "rows". A row is a list of tracks `{lead, name, sign, start, end, every, shift}`: of every
 * `every` seconds, the lead is drawn from `start` to `end`, `shift` seconds to the left; if `every` is null, from `start` to
 * `end` once. `names` are the leads' names in their standard spelling.
 * @param {string[]} names
 */
export function layoutsOf(names) {
  const spelled = names.map(spelledOf);
  const single = { kind: "rows", names: spelled, rows: spelled.map((name, lead) => [whole(lead, name)]) };
  if (names.length !== TWELVE.length || !TWELVE.every((name) => spelled.includes(name))) return [single];
  const columns = Object.entries(COLUMNS).map(([kind, { rows, rhythm }]) => ({
    kind,
    names: spelled,
    rows: [
      ...rows.map((row) => row.map((name, column) => inColumn(spelled, name, column, SHEET_SECONDS / row.length))),
      ...rhythm.map((name) => [whole(spelled.indexOf(name), name)]),
    ],
  }));
  return [...columns, single];
}

/** Return the layout of one lead with a minute in each row, of which `names` and kind are as those of other layouts. */
export function overviewOf(names, lead, seconds) {
  const lines = Math.max(Math.ceil(seconds / LINE_SECONDS), 1);
  const rows = Array.from({ length: lines }, (_, i) => [
    {
      ...whole(lead, names[lead]),
      start: i * LINE_SECONDS,
      end: (i + 1) * LINE_SECONDS,
      shift: i * LINE_SECONDS,
    },
  ]);
  return { kind: "overview", names, rows };
}

/** Return the parts of a track that the window between two times shows: `[{start, end}]` in seconds. */
export function parts({ start, end, every, shift }, from, to) {
  if (every === null) {
    const part = { start: Math.max(start, from + shift), end: Math.min(end, to + shift) };
    return part.start < part.end ? [part] : [];
  }
  const found = [];
  for (let sheet = Math.floor(from / every); sheet * every < to; sheet++) {
    const part = { start: Math.max(sheet * every + start, from), end: Math.min(sheet * every + end, to) };
    if (part.start < part.end) found.push(part);
  }
  return found;
}

function inColumn(spelled, name, column, seconds) {
  const inverted = name.startsWith(UPSIDE_DOWN);
  return {
    lead: spelled.indexOf(inverted ? name.slice(UPSIDE_DOWN.length) : name),
    name,
    sign: inverted ? -1 : 1,
    start: column * seconds,
    end: (column + 1) * seconds,
    every: SHEET_SECONDS,
    shift: 0,
  };
}

function whole(lead, name) {
  return { lead, name, sign: 1, start: 0, end: Infinity, every: null, shift: 0 };
}
