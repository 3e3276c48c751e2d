/** CSV and other tables: a column of numbers for each lead. */

import { channelsOf } from "./bare_numbers.js";
import { choose, numberText, recordingOf } from "./channels.js";
import { textOf } from "./content.js";
import { descriptionOf, readExported } from "./exported_table.js";
import { UnreadableRecording } from "./recording.js";
import { isoDate, linesOf } from "./table_cells.js";
import { clockOf } from "./table_clock.js";
import { columnsOf } from "./table_columns.js";
import { layoutOf, writtenOf } from "./table_layout.js";
import { preambleOf } from "./table_preamble.js";

/** The units of numbers whose unit a CSV file does not state. */
export const UNITS = {
  adc: { label: "ADC units", unit: "" },
  uv: { label: "microvolts", unit: "uV" },
  mv: { label: "millivolts", unit: "mV" },
};

// A table of more columns without names than this that is wider than long has a lead in each line.
const MOST_UNNAMED = 32;

/**
 * Read a table whose first line may name the leads and their units. Columns may be separated by commas, semicolons, tabs,
 * bars or spaces, and numbers may have decimal commas. Clocks and sample numbers are left out; a clock gives the sampling
 * rate. A value `nan` is a missing sample.
 * @param {ArrayBuffer} content the file
 * @param {"adc"|"uv"|"mv"} unit of numbers whose unit the file does not state
 * @param {string[]} wanted the names of the columns to read; if empty, all that may be leads
 */
export function readCsv(content, unit = "adc", wanted = []) {
  const [text, isLatin] = textOf(content);
  const notes = isLatin ? ["is not UTF-8, so it is read as Latin-1"] : [];
  const lines = linesOf(text);
  const exported = descriptionOf(lines);
  if (exported) return readExported(lines, exported, UNITS[unit].unit, wanted, notes);
  const preamble = preambleOf(lines);
  if (preamble) return withPreamble(lines, preamble, UNITS[unit].unit, wanted, notes);
  const layout = layoutOf(lines, text);
  const columns = columnsOf(lines, layout.separator, layout.decimal, layout.skip, layout.headings.length);
  const rows = columns[0].values.length;
  if (!layout.named && columns.length > Math.max(MOST_UNNAMED, rows)) {
    throw new UnreadableRecording(
      `has ${columns.length} columns without names and only ${rows} lines: ` +
        "if each line is a lead, exchange lines and columns; otherwise name the columns in the first line",
    );
  }
  const clocks = columns.map((column, i) => clockIn(column, layout.headings[i], columns.length));
  const isCounter = () => clockIn(columns[0], { name: "", unit: "" }, columns.length) !== null;
  if (layout.indented !== null && clocks[0] === null && isCounter()) {
    throw new UnreadableRecording(
      `line ${layout.indented}: the first column, which rises like row numbers, may have no name: ` +
        "name each column, without spaces in the names",
    );
  }
  const rated = clocks.filter((clock) => clock && clock.rate !== null);
  const best = rated.reduce((one, other) => (one && one.uncertainty <= other.uncertainty ? one : other), null);
  for (const clock of clocks.filter(Boolean)) {
    const rate = clock === best ? `; its sampling rate is ${numberText(clock.rate)} Hz${clock.deduced}` : "";
    notes.push(`${clock.note}${rate}`);
  }
  const left = columns.map((_, i) => i).filter((i) => clocks[i] === null);
  if (!left.length) throw new UnreadableRecording("has no ECG leads: all of its columns are clocks");
  const headings = left.map((i, k) => (layout.named ? layout.headings[i] : { name: `lead ${k + 1}`, unit: "" }));
  const chosen = choose(
    headings.map(({ name }) => name),
    headings.map((heading) => heading.unit),
    wanted,
    notes,
  );
  const numbers = chosen.map((i) => ({ ...columns[left[i]], ...headings[i] }));
  const date = columns.map(({ first }) => first && isoDate(first)).find(Boolean) ?? null;
  return recordingOf(channelsOf(numbers, UNITS[unit].unit, best?.rate ?? null, notes), date, notes);
}

function clockIn({ values, whole, missing = null, resolution = null }, heading, columns) {
  const numbers = missing
    ? { values: Float64Array.from(values, (value, i) => (missing[i] ? NaN : Number(value))), whole: false }
    : { values, whole };
  return clockOf(heading, writtenOf(heading), { ...numbers, resolution }, columns > 1);
}

function withPreamble(lines, preamble, unit, wanted, notes) {
  const columns = columnsOf(lines, preamble.separator, preamble.decimal, preamble.skip, preamble.width);
  const signals = preamble.positions.filter((position) => position < columns.length).map((i) => columns[i]);
  const sensors = preamble.sensors.map((sensor) =>
    ["", "RAW", "ECG", "ECGBIT"].includes(sensor.toUpperCase()) ? "" : sensor,
  );
  const units = sensors.length === signals.length ? sensors : signals.map(() => preamble.unit);
  const chosen = choose(preamble.names, units, wanted, notes);
  const numbers = chosen.map((i) => ({ ...signals[i], name: preamble.names[i], unit: preamble.unit }));
  return recordingOf(channelsOf(numbers, unit, preamble.rate, notes), preamble.date, notes);
}
