/** The layout of an ECG's leads on the paper: a pure function of their names. */

import { spelled as spelledOf } from "./lead_names.js";

// The standard 3 × 4 layout: four columns of two and a half seconds, and lead II below over all of them.
const STANDARD = [
  ["I", "aVR", "V1", "V4"],
  ["II", "aVL", "V2", "V5"],
  ["III", "aVF", "V3", "V6"],
];
const RHYTHM = "II";
const COLUMN_SECONDS = 2.5;
export const SHEET_SECONDS = COLUMN_SECONDS * STANDARD[0].length;

/**
 * Return the possible layouts of the leads, the usual one first: `{kind: "standard"|"rows", names, rows}`. A row is a
 * list of tracks `{lead, start, end, every}`: of every `every` seconds, the lead is drawn from `start` to `end`; if
 * `every` is null, it is drawn throughout. `names` are the leads' names in their standard spelling.
 * @param {string[]} names
 */
export function layoutsOf(names) {
  const spelled = names.map(spelledOf);
  const rows = { kind: "rows", names: spelled, rows: names.map((_, lead) => [whole(lead)]) };
  const standard = STANDARD.flat();
  if (names.length !== standard.length || !standard.every((name) => spelled.includes(name))) return [rows];
  const columns = STANDARD.map((row) =>
    row.map((name, column) => ({
      lead: spelled.indexOf(name),
      start: column * COLUMN_SECONDS,
      end: (column + 1) * COLUMN_SECONDS,
      every: SHEET_SECONDS,
    })),
  );
  return [
    { kind: "standard", names: spelled, rows: [...columns, [whole(spelled.indexOf(RHYTHM))]] },
    rows,
  ];
}

/** Return the parts of a track that lie between two times: `[{start, end}]` in seconds. */
export function parts({ start, end, every }, from, to) {
  if (every === null) return from < to ? [{ start: from, end: to }] : [];
  const found = [];
  for (let sheet = Math.floor(from / every); sheet * every < to; sheet++) {
    const part = { start: Math.max(sheet * every + start, from), end: Math.min(sheet * every + end, to) };
    if (part.start < part.end) found.push(part);
  }
  return found;
}

function whole(lead) {
  return { lead, start: 0, end: Infinity, every: null };
}
