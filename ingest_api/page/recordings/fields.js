/** Misspelt fields of JSON, refused with the words of the gateway. */

import { UnreadableRecording } from "./recording.js";

const LONGEST_SHOWN = 64;
// Names that share less than this of their letters are not near.
const NEAR = 0.6;

/**
 * Refuse an object's first field that is not known. The message names the nearest known one, or all if none is near.
 * @param {object} object
 * @param {string} place of the object, with a point at its end, or "" for the document
 * @param {string} kind what the object is, with its article
 * @param {string[]} known fields, in order
 * @param {string[]} besides others that it may have
 * @throws {UnreadableRecording} if it has another field
 */
export function checkFields(object, place, kind, known, besides = []) {
  const unknown = Object.keys(object).find((name) => !known.includes(name) && !besides.includes(name));
  if (unknown === undefined) return;
  const shown = [...unknown].slice(0, LONGEST_SHOWN).join("");
  const [near] = known
    .map((name) => ({ name, share: alike(name, shown.toLowerCase()) }))
    .filter(({ share }) => share >= NEAR)
    .sort((one, other) => other.share - one.share || (one.name < other.name ? 1 : -1));
  const hint = near ? `did you mean ${near.name}?` : `known are ${known.join(", ")}`;
  throw new UnreadableRecording(`${place}${shown || '""'}: is not a field of ${kind}: ${hint}`);
}

/** Return the share of letters that two names have in common, in order, as Python's difflib counts it. */
function alike(one, other) {
  const [first, second] = [[...one], [...other]];
  const length = first.length + second.length;
  return length ? (2 * matching(first, second)) / length : 1;
}

/** Return the length of the longest common run (Ratcliff and Obershelp, 1988), and of those at both sides of it. */
function matching(first, second) {
  let [length, from, to] = [0, 0, 0];
  for (let i = 0; i < first.length; i++) {
    for (let j = 0; j < second.length; j++) {
      let run = 0;
      while (i + run < first.length && j + run < second.length && first[i + run] === second[j + run]) run++;
      if (run > length) [length, from, to] = [run, i, j];
    }
  }
  if (!length) return 0;
  return (
    matching(first.slice(0, from), second.slice(0, to)) +
    length +
    matching(first.slice(from + length), second.slice(to + length))
  );
}
