/** Elements, made without HTML: whatever comes from files and servers is text. */

/** Return an element with attributes (`null` and `false` leave one out) and children; functions listen to `on...`. */
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

export const number = (value) => NUMBERS.format(value);

export const count = (value, noun) => `${number(value)} ${noun}${value === 1 ? "" : "s"}`;

/** Return a date of the API for people, in their time zone where it has one; what is no date stays as it is. */
export function dateText(text) {
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? text : DATES.format(date);
}

export function durationText(seconds) {
  if (seconds < 60) return `${number(Number(seconds.toPrecision(3)))} s`;
  const minutes = Math.floor(seconds / 60);
  const rest = String(Math.floor(seconds % 60)).padStart(2, "0");
  return minutes < 60
    ? `${minutes}:${rest} min`
    : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest} h`;
}
