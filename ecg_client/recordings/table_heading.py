"""Headings of columns: a name, which may end with a unit."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ecg_client.recordings.table_cells import strip
from ecg_client.recordings.units import in_a_millivolt, in_seconds

_UNIT = re.compile(r"(.*?)[ \t\f\v]*[\[(]([^\[\]()]*)[\])][ \t\f\v]*")
_VOLTS = re.compile(r"(.+?)(?:[ \t\f\v]*/[ \t\f\v]*|[_, \t\f\v][ \t\f\v]*)([mu\u00b5\u03bcn]V)")
# Units of other quantities in CSV files. Other text in brackets is part of the name.
_OTHER_UNITS = frozenset(
    [
        *("mmhg", "kpa", "%", "bpm", "1/min", "/min", "hz", "\u00b0c", "degc", "celsius", "l", "ml", "l/min", "ml/min"),
        *("g", "mg", "m/s2", "m/s^2", "ohm", "kohm", "us", "\u00b5s", "\u03bcs", "a.u.", "deg", "deg/s"),
        *("adu", "nu", "adc", "raw", "counts", "digital"),
    ]
)


@dataclass(frozen=True)
class Heading:
    """A column's name and unit; the unit is empty if the file does not state it."""

    name: str
    unit: str = ""

    @property
    def written(self) -> str:
        """The heading as text for a note."""
        return f"{self.name} [{self.unit}]" if self.unit else self.name


def heading_of(cell: str) -> Heading:
    """Return the name and the unit of a column's heading."""
    found = _UNIT.fullmatch(cell)
    if found and _is_unit(strip(found[2])):
        return Heading(found[1] or cell, strip(found[2]))
    found = _VOLTS.fullmatch(cell)
    return Heading(found[1], found[2]) if found else Heading(cell)


def with_units(headings: Sequence[Heading], cells: Sequence[str]) -> list[Heading] | None:
    """Return headings with the units of the line below the names, or None if that line does not hold units."""
    units = [cell.strip("[]() ") for cell in cells]
    if len(units) != len(headings) or not all(not unit or _is_unit(unit) for unit in units):
        return None
    return [Heading(heading.name, unit or heading.unit) for heading, unit in zip(headings, units, strict=True)]


def _is_unit(unit: str) -> bool:
    return in_a_millivolt(unit) is not None or in_seconds(unit) is not None or unit.lower() in _OTHER_UNITS
