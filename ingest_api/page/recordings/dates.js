/** Dates in ISO 8601. */

const MOST_CHARACTERS = 64;
const DAY = /^([0-9]{4})(-?)(?:W([0-9]{2})(?:\2([1-7]))?|([0-9]{2})\2([0-9]{2}))/;
const CLOCK = "([0-9]{2})(?:(:?)([0-9]{2})(?:\\2([0-9]{2})(?:[.,][0-9]+)?)?)?";
const TIME = new RegExp(`^${CLOCK}(?:Z|[+-](${CLOCK.replaceAll("\\2", "\\7")}))?$`);

/** Return the number of weeks of a year: one that begins or ends on a Thursday has 53. */
function weeksOf(year) {
  return [isoDay(year, 0, 1), isoDay(year, 11, 31)].includes(4) ? 53 : 52;

  function isoDay(...day) {
    const date = new Date(0);
    date.setUTCFullYear(...day);
    return date.getUTCDay();
  }
}

/** Return true for a date, or a date and time, in ISO 8601: the gateway accepts no other. */
export function isIsoDate(text) {
  const day = DAY.exec(text);
  if (!day || text.length > MOST_CHARACTERS) return false;
  const [whole, year, , week, , month = "01", dayOfMonth = "01"] = day;
  const rest = text.slice(whole.length);
  // Any character may stand between date and time.
  const time = rest ? TIME.exec(rest.slice(1)) : ["", "0"];
  if (!time || (week !== undefined && !(week >= "01" && Number(week) <= weeksOf(Number(year))))) return false;
  const [, hours, , minutes = 0, seconds = 0, , zoneHours = 0, , zoneMinutes = 0] = time;
  if (Number(zoneHours) > 23 || Number(zoneMinutes) > 59) return false;
  return isoOf(...[year, month, dayOfMonth, hours, minutes, seconds].map(Number)) !== null;
}

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
