/** Which lead is drawn where: a pure function of the leads' names. */

// As on paper: four columns of two and a half seconds, and lead II below for their whole time.
const STANDARD = [
  ["I", "aVR", "V1", "V4"],
  ["II", "aVL", "V2", "V5"],
  ["III", "aVF", "V3", "V6"],
];
const RHYTHM = "II";
const COLUMN_SECONDS = 2.5;
export const SHEET_SECONDS = COLUMN_SECONDS * STANDARD[0].length;

/**
 * Return the layouts that leads can have, the usual one first: `{kind: "standard"|"rows", names, rows}`. A row is a
 * list of tracks `{lead, start, end, every}`: the lead is drawn from `start` to `end` in every `every` seconds, or all
 * the time where that is null. `names` has the leads' names as they are written on paper.
 * @param {string[]} names
 */
export function layoutsOf(names) {
  const rows = { kind: "rows", names, rows: names.map((_, lead) => [whole(lead)]) };
  const standard = STANDARD.flat();
  const spelled = names.map((name) => standard.find((known) => known.toLowerCase() === bare(name)));
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
    { ...rows, names: spelled },
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

/** Return a lead's name without the case, and without the word that some devices put before it. */
function bare(name) {
  return name
    .trim()
    .toLowerCase()
    .replace(/^(?:lead|ecg)[\s_-]+/, "");
}
