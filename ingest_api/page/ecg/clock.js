/** Times of a recording, as text. */

/** Return a time of the recording as text, with tenths of a second if the steps are shorter than a second. */
export function clock(seconds, step = 0.1) {
  const digits = step < 1 ? 1 : 0;
  const tenths = Math.round(seconds * 10 ** digits);
  const whole = Math.floor(tenths / 10 ** digits);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const fraction = digits ? `.${tenths % 10}` : "";
  const pad = (value) => String(value).padStart(2, "0");
  return hours ? `${hours}:${pad(minutes)}:${pad(rest)}${fraction}` : `${minutes}:${pad(rest)}${fraction}`;
}

/** Return the seconds of a time such as `75`, `1:15`, `1:15.5` or `1:02:03`, or null if the text is no time. */
export function secondsOf(text) {
  const match = /^\s*(?:(?:(\d+):)?(\d{1,3}):)?(\d+(?:[.,]\d*)?)\s*$/.exec(text);
  if (!match) return null;
  const [hours, minutes, seconds] = match.slice(1).map((part) => Number((part ?? "0").replace(",", ".")));
  return hours * 3600 + minutes * 60 + seconds;
}
