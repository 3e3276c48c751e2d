"""Columns of a table with times or sample numbers: they are not leads, but times give the sampling rate."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_client.recordings.channels import is_lead_name, number
from ecg_client.recordings.table_heading import Heading
from ecg_client.recordings.units import in_seconds

_UNITS = {1.0: "seconds", 1e-3: "milliseconds", 1e-6: "microseconds", 1e-9: "nanoseconds"}
_TIME = re.compile(
    r"(?:(?:elapsed|phone|sensor|device|local|unix|epoch|recording|relative|absolute|system|ecg)[ _-]*)*"
    r"(?:time(?:[ _-]?stamps?)?|zeit(?:stempel)?|temps|tiempo|tempo|tijd|clock|date[ _-]?time|date|datum|t)(?![a-z]).*",
    re.IGNORECASE | re.ASCII,
)
_COUNTER = re.compile(
    r"index|idx|#|nseq|sample[ _]?(?:number|index|no|nr|#)|unnamed: [0-9]+|counter", re.IGNORECASE | re.ASCII
)
# These may also be names of leads; a column that rises is a counter.
_PERHAPS = re.compile(r"(?:no|nr|n|row|samples?)?", re.IGNORECASE | re.ASCII)
# Sampling rates of ECGs. The range is narrow, so that at most one unit of a clock gives a rate within it.
_LEAST_RATE, _RATE_END = 40.0, 20_000.0
_FEWEST_EVEN, _FEWEST_ROUNDED = 3, 8
_MOST_DECIMALS = 9
_RELATIVE, _ABSOLUTE = 1e-12, 1e-9
_EQUAL, _WHOLE, _FINE, _COARSE = 1e-6, 1e-9, 1e-3, 5e-3
_FAR, _SPACING = 2.0**62, 2.0**-51


@dataclass(frozen=True)
class Clock:
    """A column that is not a lead: its note, and its rate in Hz, if it gives one, with the relative uncertainty."""

    note: str
    rate: float | None = None
    uncertainty: float = 0.0
    deduced: str = ""

    @property
    def source(self) -> str:
        """The note of the clock that supplies the sampling rate."""
        return f"{self.note}; its sampling rate is {number(self.rate or 0)} Hz{self.deduced}"


@dataclass(frozen=True)
class _Line:
    """Numbers minus the first, shape (n,), the smallest step in which they are written, and the spacing of doubles."""

    values: NDArray[np.float64]
    resolution: float
    spacing: float = 0.0

    @property
    def steps(self) -> NDArray[np.float64]:
        return np.diff(self.values)

    @property
    def rises(self) -> bool:
        return bool(np.all(self.steps > 0))

    @property
    def mean(self) -> float:
        return float(self.values[-1]) / (self.values.size - 1)

    @property
    def is_equal(self) -> bool:
        steps = self.steps
        return bool(np.all(np.abs(steps - steps[0]) <= max(_EQUAL * abs(steps[0]), 2 * self.spacing)))

    @property
    def is_even(self) -> bool:
        """Return True for numbers on a straight line, within the resolution in which they are written."""
        if self.values.size < _FEWEST_EVEN:
            return False
        if self.is_equal:
            return True
        away = np.abs(self.values - np.arange(self.values.size) * self.mean)
        return self.values.size >= _FEWEST_ROUNDED and bool(np.all(away <= self.resolution))


def clock_of(heading: Heading, values: NDArray[Any], others: bool) -> Clock | None:
    """Return a column of numbers as a clock or a counter of samples, or None if it is neither.

    A column that rises evenly is a clock or a counter unless its name is a lead's. A column with the name of a clock or
    a counter is one even if it rises unevenly.

    Args:
        values: its numbers, shape (n,), int64 or float64.
        others: True if the table has other columns.
    """
    if not others or is_lead_name(heading.name):
        return None
    named_time = _is_time(heading)
    counts = Clock(f"left out, because it counts samples: {_shown(heading)}")
    if not named_time and _COUNTER.fullmatch(heading.name):
        return counts
    if not np.all(np.isfinite(values)):
        return Clock(_uneven(heading)) if named_time else None
    line = _Line(*_since_first(values))
    if not named_time:
        if not line.rises or not (line.is_even or (_PERHAPS.fullmatch(heading.name) and values.size > 1)):
            return None
        if _PERHAPS.fullmatch(heading.name) or np.all(line.steps == 1):
            return counts
    return _clock(heading, line, *_unit(heading, line, named_time))


def times_of(heading: Heading, values: NDArray[np.float64], resolution: float) -> Clock:
    """Return a column of times as a clock.

    Args:
        values: nanoseconds since the first, shape (n,).
        resolution: the smallest step in which they are written, in nanoseconds.
    """
    return _clock(heading, _Line(values, resolution), 1e-9, "")


def _shown(heading: Heading) -> str:
    return heading.written or "a column without a name"


def _is_time(heading: Heading) -> bool:
    return bool(_TIME.fullmatch(heading.name)) or in_seconds(heading.unit or heading.name) is not None


def _left_out(heading: Heading) -> str:
    return f"left out, because it is a clock: {_shown(heading)}"


def _uneven(heading: Heading) -> str:
    return f"{_left_out(heading)}; its steps are uneven, so no sampling rate is taken from it"


def _clock(heading: Heading, line: _Line, seconds: float | None, deduced: str) -> Clock:
    left_out = _left_out(heading)
    if line.values.size < _FEWEST_EVEN:
        return Clock(f"{left_out}; it has too few rows for a sampling rate")
    if not line.is_even or not line.rises:
        return Clock(_uneven(heading))
    if seconds is None:
        return Clock(f"{left_out}; its unit is unknown, so no sampling rate is taken from it")
    rate, uncertainty = _rate(line, seconds)
    if rate is None:
        return Clock(f"{left_out}; it is too coarse for a sampling rate")
    return Clock(left_out, rate, uncertainty, deduced)


def _since_first(values: NDArray[Any]) -> tuple[NDArray[np.float64], float, float]:
    """Return numbers minus the first, the smallest step in which they are written, and the spacing of doubles."""
    if values.dtype.kind == "i":
        # Python's integers: differences are exact above 2^53, and may need more than 64 bits.
        far = bool(np.any(np.abs(values.astype(np.float64)) >= _FAR))
        return ((values.astype(object) if far else values) - values[0].item()).astype(np.float64), 1.0, 0.0
    spacing = float(np.max(np.abs(values))) * _SPACING
    for decimals in range(_MOST_DECIMALS):
        scaled = values * 10.0**decimals
        if np.all(np.abs(scaled - np.rint(scaled)) <= _ABSOLUTE + _RELATIVE * np.abs(scaled)):
            return values - values[0], max(1 / 10.0**decimals, spacing), spacing
    return values - values[0], max(1 / 10.0**_MOST_DECIMALS, spacing), spacing


def _unit(heading: Heading, line: _Line, named_time: bool) -> tuple[float | None, str]:
    """Return the unit of a clock in seconds, and a note if it was deduced from the rates of ECGs."""
    ending = re.split(r"[ _\-.,]+", heading.name.lower())[-1]
    for spelling in (heading.unit, heading.name, ending):
        if (seconds := in_seconds(spelling)) is not None and spelling != "min":
            return seconds, ""
    step = line.mean if line.values.size > 1 else 1.0
    if step <= 0 or (not named_time and step >= 1) or step == 1:
        return None, ""
    fitting = [seconds for seconds in _UNITS if _LEAST_RATE <= 1 / (step * seconds) < _RATE_END]
    if len(fitting) != 1:
        return None, ""
    return fitting[0], f", read as {_UNITS[fitting[0]]}: no other unit gives the rate of an ECG"


def _rate(line: _Line, seconds: float) -> tuple[float | None, float]:
    """Return the rate of a clock in Hz, rounded within its uncertainty, and that uncertainty, which is relative."""
    rate = 1 / (line.mean * seconds)
    uncertainty = line.resolution / float(line.values[-1])
    if line.is_equal:
        # Equal steps may be exact, or each the same rounded step.
        rounded = line.resolution / line.mean
        whole = float(np.rint(rate))
        if abs(rate - whole) <= max(_WHOLE, line.spacing / float(line.values[-1])) * rate:
            return whole, uncertainty
        if rounded <= _FINE:
            uncertainty = max(uncertainty, rounded)
    if uncertainty > _COARSE:
        return None, uncertainty
    for decimals in range(4):
        factor = 10.0**decimals
        candidate = float(np.rint(rate * factor)) / factor
        if abs(candidate - rate) <= uncertainty * rate:
            return candidate, uncertainty
    return rate, uncertainty
