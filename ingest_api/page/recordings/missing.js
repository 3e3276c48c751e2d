/** Ranges of missing samples: `[first, count]` each, ascending, with samples between them. */

/** Return the ranges of the samples for which `isMissing(i)` is true. */
export function rangesOf(length, isMissing) {
  const ranges = [];
  let first = -1;
  for (let i = 0; i <= length; i++) {
    const missing = i < length && isMissing(i);
    if (missing && first < 0) first = i;
    if (!missing && first >= 0) {
      ranges.push([first, i - first]);
      first = -1;
    }
  }
  return ranges;
}

/** Return ascending ranges with adjacent ones merged. */
export function joined(ranges) {
  const result = [];
  for (const [first, count] of ranges) {
    const last = result.at(-1);
    if (last && last[0] + last[1] === first) last[1] += count;
    else if (count) result.push([first, count]);
  }
  return result;
}

/** Return the number of missing samples. */
export function countOf(ranges) {
  return ranges.reduce((sum, [, count]) => sum + count, 0);
}
