"""Preambles of tables: Apple Watch exports in any language, and OpenSignals text files."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ecg_client.recordings import table_cells as cells
from ecg_client.recordings.recording import UnreadableRecording
from ecg_client.recordings.units import in_a_millivolt

_MOST_LINES = 64
_HERTZ = re.compile(r"([0-9]+(?:[.,][0-9]+)?)\s*(?:hertz|hz)", re.IGNORECASE | re.ASCII)
_LEADS = frozenset(
    [
        *(
            "lead",
            "ableitung",
            "derivation",
            "d\u00e9rivation",
            "derivaci\u00f3n",
            "derivazione",
            "deriva\u00e7\u00e3o",
        ),
        "afleiding",
    ]
)
_TEXT = re.compile(r"[^-+0-9.,eE \t\f\v\"]")
_OPEN_SIGNALS, _END = "# OpenSignals Text File Format", "# EndOfHeader"


@dataclass(frozen=True)
class Preamble:
    """A parsed preamble: the number of lines before the numbers, the decimal mark, the names, positions (from 0) and
    unit of the columns to read, the sampling rate in Hz, the date in ISO 8601, and the kinds of sensor of the columns.
    """

    skip: int
    decimal: str
    separator: str | None
    names: tuple[str, ...]
    positions: tuple[int, ...]
    unit: str
    rate: float | None
    date: str | None
    sensors: tuple[str, ...] = ()
    width: int = 1


def preamble_of(text: str) -> Preamble | None:
    """Return the preamble of a file, or None if it has no known one.

    Raises:
        UnreadableRecording: if the preamble is broken.
    """
    lines = list(islice(cells.lines_of(text), _MOST_LINES))
    if lines and cells.strip(lines[0]) == _OPEN_SIGNALS:
        return _open_signals(lines)
    return _apple_watch(lines)


def _apple_watch(lines: Sequence[str]) -> Preamble | None:
    """Return the preamble of keys and values; the patient's name and birth date among them are skipped.

    Keys are in the user's language, so the values are recognised by their form: hertz, a unit of voltage, a date with a
    time.
    """
    data = next((i for i, line in enumerate(lines) if cells.strip(line) and not _TEXT.search(line)), None)
    pairs = [line.split(",", 1) for line in lines[:data] if "," in line]
    values = [(cells.strip(key).strip('"'), cells.strip(value).strip('"')) for key, value in pairs]
    rate = next((found[1] for _, value in values if (found := _HERTZ.fullmatch(value))), None)
    unit = next((value for _, value in values if in_a_millivolt(value) is not None), None)
    if data is None or rate is None or unit is None:
        return None
    lead = next((value for key, value in values if key.lower() in _LEADS), "lead 1")
    date = next((moment for _, value in values if (moment := cells.iso_date(value))), None)
    decimal = "," if any("," in line for line in lines[data:]) else "."
    hertz = float(rate.replace(",", "."))
    return Preamble(data, decimal, None, (lead,), (0,), unit, hertz, date)


def _open_signals(lines: Sequence[str]) -> Preamble:
    end = next((i for i, line in enumerate(lines) if cells.strip(line) == _END), None)
    described = lines[1].lstrip("# ") if len(lines) > 1 else ""
    try:
        devices = json.loads(described)
    except (ValueError, RecursionError):
        devices = None
    if end is None or not isinstance(devices, dict) or not devices:
        raise UnreadableRecording("line 2: the OpenSignals header must describe a device, and end with # EndOfHeader")
    if len(devices) > 1:
        raise UnreadableRecording("line 2: the recording is of several devices: export each into a file of its own")
    device = next(iter(devices.values()))
    labels = _strings(device, "label")
    rate = device.get("sampling rate") if isinstance(device, dict) else None
    if not labels or isinstance(rate, bool) or not isinstance(rate, int | float) or not rate > 0:
        raise UnreadableRecording("line 2: the OpenSignals header must state labels and the sampling rate")
    data = next((line for line in lines[end + 1 :] if cells.strip(line)), "")
    width = len(data.rstrip("\t").split("\t"))
    if width < len(labels):
        raise UnreadableRecording(f"line {end + 2}: has {width} columns, and the header names {len(labels)}")
    positions = tuple(range(width - len(labels), width))
    date = cells.iso_date(f"{device.get('date')} {device.get('time')}")
    return Preamble(end + 1, ".", "\t", labels, positions, "", float(rate), date, _strings(device, "sensor"), width)


def _strings(device: Any, key: str) -> tuple[str, ...]:
    values = device.get(key) if isinstance(device, dict) else None
    return tuple(value for value in values if isinstance(value, str)) if isinstance(values, list) else ()
