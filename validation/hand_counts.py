"""Heart rates of PTB-XL's first ten normal records, counted by hand on a plot of lead II."""

from collections.abc import Mapping
from typing import Final

# QRS complexes, and the seconds of the first and the last R peak, read from the grid.
_COUNTED: Final = {
    "00001_hr": (11, 0.22, 9.60),
    "00002_hr": (7, 1.01, 8.64),
    "00003_hr": (11, 0.07, 9.51),
    "00004_hr": (12, 0.31, 9.17),
    "00005_hr": (11, 0.34, 9.39),
    "00006_hr": (13, 0.64, 9.31),
    "00007_hr": (10, 0.40, 9.12),
    "00009_hr": (10, 0.87, 9.74),
    "00010_hr": (11, 0.06, 9.45),
    "00011_hr": (11, 0.65, 9.55),
}
HEART_RATES: Final[Mapping[str, float]] = {
    record: 60 * (beats - 1) / (last - first) for record, (beats, first, last) in _COUNTED.items()
}
"""Beats a minute, by record."""
