/** Dates in ISO 8601. */

/**
 * Return a date and time plus microseconds in ISO 8601, or null if it is invalid.
 * @param {number} month from 1
 */
export function isoOf(year, month, day, hours, minutes, seconds, microseconds = 0) {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const isDay = year >= 1 && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  if (!isDay || hours > 23 || minutes > 59 || seconds > 59) return null;
  date.setUTCHours(hours, minutes, seconds);
  date.setTime(date.getTime() + Math.floor(microseconds / 1e6) * 1000);
  const rest = microseconds - Math.floor(microseconds / 1e6) * 1e6;
  const later = date.getUTCFullYear();
  if (!(later >= 1 && later <= 9999)) return null;
  return date.toISOString().slice(0, 19) + (rest ? `.${String(rest).padStart(6, "0")}` : "");
}
