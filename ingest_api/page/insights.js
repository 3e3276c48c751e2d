/** Insights as rows and columns of tables. Titles and units come from the catalogue; unknown insights have their names. */

import { CATALOGUE } from "./catalogue.js";
import { number } from "./dom.js";

// Of a result: the reasons for what is absent, which stand beside the measurements.
const ABSENT = "absent";
const NOTHING = "–";

/**
 * Return the columns of the table of leads, as `{title, textOf(lead)}`: one for an insight that is a single value, and one
 * for each field of other insights, unless all leads have nothing or zero there.
 */
export function columnsOf(leads) {
  const names = [...new Set(leads.flatMap(Object.keys))].filter((name) => name !== "name");
  return names.flatMap((name) => {
    const known = CATALOGUE[name];
    if (!leads.some((lead) => isObject(lead[name]))) {
      return [{ title: capital(known?.fields[name]?.title ?? words(name)), textOf: (lead) => textOf(lead?.[name]) }];
    }
    const present = new Set(leads.flatMap((lead) => Object.keys(lead[name] ?? {})));
    return inOrder(known, present)
      .filter((field) => leads.some((lead) => !isNothing(lead[name]?.[field])))
      .map((field) => ({ title: titleOf(known, field), textOf: (lead) => textOf(lead?.[name]?.[field]) }));
  });
}

/** Return the measurements of the whole ECG, as `{title, value, remark}`: the spread, or why there is no value. */
export function measurementsOf({ ecg = {}, not_computed: notComputed = {} }) {
  const rows = Object.entries(ecg).flatMap(([name, result]) => {
    const known = CATALOGUE[name];
    const reasons = result[ABSENT] ?? {};
    const spreads = new Map(
      Object.entries(known?.fields ?? {})
        .filter(([field, { spreadOf }]) => spreadOf && field in result)
        .map(([field, { spreadOf }]) => [spreadOf, `± ${textOf(result[field])}`]),
    );
    return inOrder(known, new Set([...Object.keys(result), ...Object.keys(reasons)]))
      .filter((field) => field !== ABSENT && !known?.fields[field]?.spreadOf && isShort(result[field]))
      .map((field) => ({
        title: titleOf(known, field),
        value: textOf(result[field]),
        remark: reasons[field] ?? spreads.get(field) ?? "",
      }));
  });
  const missing = Object.entries(notComputed).map(([name, reason]) => ({
    title: CATALOGUE[name]?.title ?? capital(words(name)),
    value: NOTHING,
    remark: reason,
  }));
  return [...rows, ...missing];
}

/** Return fields in the order of the catalogue, those that it does not know at the end. */
function inOrder(known, present) {
  const order = Object.keys(known?.fields ?? {});
  return [...order.filter((field) => present.has(field)), ...[...present].filter((field) => !order.includes(field))];
}

function titleOf(known, field) {
  const { title = words(field), unit = "1" } = known?.fields[field] ?? {};
  return capital(unit === "1" ? title : `${title}, ${unit}`);
}

/** Positions of beats are many, and are for programs: lists of numbers are not shown. */
function isShort(value) {
  return !isObject(value) && !(Array.isArray(value) && (!value.length || typeof value[0] !== "string"));
}

function isNothing(value) {
  return value === undefined || value === null || value === 0 || (Array.isArray(value) && !value.length);
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(value) {
  if (typeof value === "number") return number(value);
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value.join(", ") || NOTHING;
  return value === undefined || value === null ? NOTHING : typeof value === "string" ? value : JSON.stringify(value);
}

function words(name) {
  return name.replace(/^number_of_/, "").replaceAll("_", " ");
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
