/** The tables of an open ECG's insights. */

import { element, find, number } from "./dom.js";
import { spelled } from "./ecg/lead_names.js";
import { columnsOf, measurementsOf } from "./insights.js";

/**
 * Fill both tables, and hide those without rows.
 * @param {Electrocardiogram | null} opened
 * @param {object} insights
 */
export function showFindings(opened, insights) {
  const leads = opened?.leads ?? insights.leads ?? [];
  fillLeads(opened, leads, insights.leads ?? []);
  fillMeasurements(insights);
  find("#findings").hidden = !leads.length;
}

/** Fill the table with the insights of each lead, its number of samples and its extremes. */
function fillLeads(opened, leads, insights) {
  const measured = columnsOf(insights);
  const signals = opened?.signals ?? [];
  // A column for the number of samples only if it differs between leads: the duration is shown above.
  const lengths = new Set(signals.map((signal) => signal.length)).size > 1;
  const gaps = leads.some((lead) => lead.missing);
  const own = [...(lengths ? ["Samples"] : []), ...(gaps ? ["Missing"] : []), "Lowest, mV", "Highest, mV"];
  const columns = ["Lead", ...measured.map(({ title }) => title), ...(opened ? own : [])];
  find("#columns").replaceChildren(...columns.map((title) => element("th", { scope: "col" }, title)));
  find("#leads").replaceChildren(
    ...leads.map((lead, i) => {
      const cells = measured.map(({ textOf }) => textOf(insights[i]));
      if (opened) {
        const signal = signals[i];
        const known = lead.adc_gain !== null && signal.length;
        cells.push(
          ...(lengths ? [number(signal.length)] : []),
          ...(gaps ? [number((lead.missing ?? []).reduce((sum, [, length]) => sum + length, 0))] : []),
          ...[signal.least, signal.most].map((value) => (known ? millivolts(value / lead.adc_gain) : "–")),
        );
      }
      return element(
        "tr",
        {},
        element("th", { scope: "row" }, spelled(lead.name)),
        ...cells.map((text) => element("td", {}, text)),
      );
    }),
  );
}

/** Fill the table of the whole ECG, which an ECG without a sampling rate does not have. */
function fillMeasurements(insights) {
  const rows = measurementsOf(insights);
  find("#measurements").replaceChildren(
    ...rows.map(({ title, value, remark }) =>
      element(
        "tr",
        {},
        element("th", { scope: "row" }, title),
        element("td", {}, value),
        element("td", { class: "remark" }, remark),
      ),
    ),
  );
  find("#of-ecg").hidden = !rows.length;
}

function millivolts(value) {
  return value.toFixed(2).replace("-", "−");
}
