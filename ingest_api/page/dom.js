/** Elements are made without parsing HTML, so that data from files and servers is always text. */

/**
 * Return an element with attributes and children. An attribute that is `null` or `false` is left out; a function is the
 * listener of an `on...` event.
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

export const find = (selector) => document.querySelector(selector);

const NUMBERS = new Intl.NumberFormat("en", { maximumFractionDigits: 3 });
const DATES = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
// A date without a time is the same day everywhere.
const DAYS = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeZone: "UTC" });
const DAY = /^\d{4}-\d{2}-\d{2}$/;

export const number = (value) => NUMBERS.format(value);

export const count = (value, noun) => `${number(value)} ${noun}${value === 1 ? "" : "s"}`;

/** Return a date of the API as readable text in the user's time zone; text that is not a date is returned unchanged. */
export function dateText(text) {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return text;
  return (DAY.test(text) ? DAYS : DATES).format(date);
}

export function durationText(seconds) {
  if (seconds < 60) return `${number(Number(seconds.toPrecision(3)))} s`;
  const minutes = Math.floor(seconds / 60);
  const rest = String(Math.floor(seconds % 60)).padStart(2, "0");
  return minutes < 60
    ? `${minutes}:${rest} min`
    : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest} h`;
}
