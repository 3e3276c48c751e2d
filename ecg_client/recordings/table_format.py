"""CSV and other tables: a column of numbers for each lead."""

from pathlib import Path

from ecg_client.recordings.bare_numbers import Column, channels_of
from ecg_client.recordings.channels import choose, recording_of
from ecg_client.recordings.content import read_bytes, text_of
from ecg_client.recordings.exported_table import description_of, read_exported
from ecg_client.recordings.recording import Calibration, Recording, UnreadableRecording
from ecg_client.recordings.table_cells import iso_date
from ecg_client.recordings.table_clock import Clock, clock_of, rate_of, times_of
from ecg_client.recordings.table_columns import Numbers, Times, columns_of
from ecg_client.recordings.table_heading import Heading
from ecg_client.recordings.table_layout import layout_of
from ecg_client.recordings.table_preamble import Preamble, preamble_of

# A table of more columns without names than this that is wider than long has a lead in each line.
_MOST_UNNAMED = 32


def read_csv(path: Path, calibration: Calibration) -> Recording:
    """Read a table whose first line may name the leads and their units.

    Columns may be separated by commas, semicolons, tabs, bars or spaces, and numbers may have decimal commas. Clocks
    and sample numbers are left out; a clock gives the sampling rate. A value `nan` is a missing sample.

    Raises:
        UnreadableRecording: if it has no rows, or a value is not a number; the message names line and column.
    """
    text, is_latin = text_of(read_bytes(path))
    notes = ["is not UTF-8, so it is read as Latin-1"] if is_latin else []
    if (exported := description_of(text)) is not None:
        return read_exported(text, exported, calibration, notes)
    preamble = preamble_of(text)
    if preamble is not None:
        return _with_preamble(text, preamble, calibration, notes)
    layout = layout_of(text)
    columns = columns_of(text, layout.separator, layout.decimal, layout.skip, len(layout.headings))
    headings = layout.headings
    if not layout.named and len(columns) > max(_MOST_UNNAMED, len(columns[0].values)):
        raise UnreadableRecording(
            f"has {len(columns)} columns without names and only {len(columns[0].values)} lines: "
            "if each line is a lead, exchange lines and columns; otherwise name the columns in the first line"
        )
    clocks = {i: clock for i, c in enumerate(columns) if (clock := _clock(c, headings[i], len(columns))) is not None}
    if layout.indented and 0 not in clocks and _clock(columns[0], Heading(""), len(columns)) is not None:
        raise UnreadableRecording(
            f"line {layout.indented}: the first column, which rises like row numbers, may have no name: "
            "name each column, without spaces in the names"
        )
    rate = rate_of(list(clocks.values()), notes)
    left = [i for i in range(len(columns)) if i not in clocks]
    if not left:
        raise UnreadableRecording("has no ECG leads: all of its columns are clocks")
    leads = [headings[i] if layout.named else Heading(f"lead {number}") for number, i in enumerate(left, start=1)]
    chosen = choose([lead.name for lead in leads], [lead.unit for lead in leads], calibration.leads, notes)
    numbers = [
        Column(leads[i].name, column.values, leads[i].unit, column.missing)
        for i in chosen
        if isinstance(column := columns[left[i]], Numbers)
    ]
    date = next((found for c in columns if isinstance(c, Times) and (found := iso_date(c.first))), None)
    return recording_of(channels_of(numbers, calibration, rate, notes), date, notes)


def _clock(column: Numbers | Times, heading: Heading, columns: int) -> Clock | None:
    if isinstance(column, Times):
        return times_of(heading, column.values, column.resolution)
    return clock_of(heading, column.with_nan, columns > 1)


def _with_preamble(text: str, preamble: Preamble, calibration: Calibration, notes: list[str]) -> Recording:
    columns = columns_of(text, preamble.separator, preamble.decimal, preamble.skip, preamble.width)
    signals = [columns[position] for position in preamble.positions if position < len(columns)]
    units = ["" if sensor.upper() in ("", "RAW", "ECG", "ECGBIT") else sensor for sensor in preamble.sensors]
    units = units if len(units) == len(signals) else [preamble.unit] * len(signals)
    chosen = choose(preamble.names, units, calibration.leads, notes)
    numbers = [
        Column(preamble.names[i], signal.values, preamble.unit, signal.missing)
        for i in chosen
        if isinstance(signal := signals[i], Numbers)
    ]
    return recording_of(channels_of(numbers, calibration, preamble.rate, notes), preamble.date, notes)
