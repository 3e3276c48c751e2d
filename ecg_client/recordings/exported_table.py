"""Tables that `ecg show --csv` writes: a column of samples for each lead, below a line that describes them."""

import csv
import re
from collections.abc import Iterable, Sequence
from io import StringIO
from itertools import chain, repeat
from typing import TextIO

import msgspec
import numpy as np

from ecg_client.recordings.channels import choose
from ecg_client.recordings.missing import ranges_of
from ecg_client.recordings.recording import Calibration, Recording, UnreadableRecording, integers
from ecg_client.recordings.table_columns import Numbers, columns_of
from shared.ecg import Lead

# A comment, which other programs pass over: pandas.read_csv(file, comment="#").
_MARK = "# ECG in ADC units: "
_FIRST = re.compile(rf"{_MARK}(.*)")
_HEAD_LINES = 2


class _LeadDescription(msgspec.Struct):
    name: str
    number_of_samples: int
    adc_gain: float | None = None


class Description(msgspec.Struct):
    """The first line of such a table: all of a submission but its signals."""

    leads: list[_LeadDescription]
    sampling_rate: float | None = None
    date: str | None = None


def write_exported(out: TextIO, recording: Recording) -> None:
    """Write a recording so that `read_exported` returns it; missing samples, and cells after a lead's end, are nan.

    Raises:
        OSError: if it cannot be written.
    """
    lengths = [int(lead.signal.size) for lead in recording.leads]
    write_pieces(out, recording, lengths, [recording.leads])


def write_pieces(out: TextIO, outline: Recording, lengths: Sequence[int], pieces: Iterable[Sequence[Lead]]) -> None:
    """Write a recording whose samples come in pieces, as `write_exported` does.

    Args:
        out: the file to write to.
        outline: the recording; its samples are ignored.
        lengths: the number of samples of each lead.
        pieces: the samples, one piece after the other.

    Raises:
        OSError: if it cannot be written.
    """
    described = Description(
        [
            _LeadDescription(lead.name, length, lead.adc_gain)
            for lead, length in zip(outline.leads, lengths, strict=True)
        ],
        outline.sampling_rate,
        outline.date,
    )
    out.write(f"{_MARK}{msgspec.json.encode(described).decode()}\n")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(lead.name for lead in outline.leads)
    for leads in pieces:
        longest = max(lead.signal.size for lead in leads)
        writer.writerows(zip(*(_cells(lead, longest) for lead in leads), strict=True))


def _cells(lead: Lead, length: int) -> list[int | str]:
    cells: list[int | str] = lead.signal.tolist()
    for first, count in lead.missing:
        cells[first : first + count] = ["nan"] * count
    return list(chain(cells, repeat("nan", length - len(cells))))


def description_of(text: str) -> Description | None:
    """Return the description of such a table, or None if the text is another table.

    Raises:
        UnreadableRecording: if the description is broken.
    """
    found = _FIRST.fullmatch(StringIO(text, newline=None).readline().rstrip("\n"))
    if found is None:
        return None
    try:
        described = msgspec.json.decode(found[1], type=Description)
    except msgspec.MsgspecError:
        described = Description([])
    if not described.leads or min(lead.number_of_samples for lead in described.leads) < 0:
        raise UnreadableRecording("line 1: must describe the leads as `ecg show --csv` writes it")
    return described


def read_exported(text: str, described: Description, calibration: Calibration, notes: list[str]) -> Recording:
    """Return the recording that was written.

    Raises:
        UnreadableRecording: if the table does not agree with its description, or holds other numbers than samples.
    """
    names = [lead.name for lead in described.leads]
    if calibration.unit:
        notes.append(f"the given unit is not used, because the file states its own: {', '.join(names)}")
    if calibration.is_explicit:
        notes.append("the given scale and baseline are not used, because the file states its own")
    stream = StringIO(text, newline=None)
    for _ in range(_HEAD_LINES):
        stream.readline()
    # Empty lines instead of those, so that errors name the lines of the file.
    columns = columns_of("\n" * _HEAD_LINES + stream.read(), ",", ".", _HEAD_LINES, len(names))
    numbers = [column for column in columns if isinstance(column, Numbers)]
    if len(numbers) != len(names):
        raise UnreadableRecording(f"line 1: describes {len(names)} leads, and the table has {len(numbers)} of numbers")
    longest, rows = max(lead.number_of_samples for lead in described.leads), len(numbers[0].values)
    if rows != longest:
        raise UnreadableRecording(f"line 1: announces {longest} lines of samples, and the table has {rows}")
    chosen = choose(names, [""] * len(names), calibration.leads, notes) if calibration.leads else range(len(names))
    leads = tuple(_lead(described.leads[i], numbers[i]) for i in chosen)
    return Recording(leads, described.date, tuple(notes), described.sampling_rate)


def _lead(described: _LeadDescription, column: Numbers) -> Lead:
    name, length = described.name, described.number_of_samples
    missing = np.isnan(column.values) if column.missing is None else column.missing
    if not missing[length:].all():
        raise UnreadableRecording(f"{name}: has more samples than the {length} that line 1 announces")
    samples = np.where(missing, 0, column.values)[:length] if missing.any() else column.values
    return Lead(name, integers(samples, name), described.adc_gain, ranges_of(missing[:length]))
