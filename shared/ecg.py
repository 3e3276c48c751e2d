"""The ECG in memory, and the limits that every encoding enforces."""

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, TypeGuard

import msgspec
import numpy as np
from numpy.typing import NDArray

from shared.errors import InvalidEcg
from shared.security import ids

MAX_LEADS = 1024
MAX_LEAD_NAME = 128
MAX_USERNAME = 128
MAX_LABEL = 200
MAX_SAMPLING_RATE = 1e6
MAX_DATE = 64  # longer than any date in ISO 8601

Signal = NDArray[np.signedinteger[Any]]

_USERNAME = re.compile(r"[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# The checks below as JSON Schema. For `date` it checks less, because no pattern covers every form of ISO 8601.
JSON_SCHEMA: Final[Mapping[str, dict[str, Any]]] = {
    "id": {"pattern": f"^{ids.ID_PATTERN}$"},
    "username": {"minLength": 1, "maxLength": MAX_USERNAME, "pattern": f"^{_USERNAME.pattern}$"},
    "date": {"maxLength": MAX_DATE, "pattern": "^[0-9]{4}-?(?:W[0-9]{2}|[0-9]{2}-?[0-9]{2})"},
    "label": {
        "minLength": 1,
        "maxLength": MAX_LABEL,
        "pattern": r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$",
    },
    "sampling rate": {"exclusiveMinimum": 0, "maximum": MAX_SAMPLING_RATE},
    "adc gain": {"exclusiveMinimum": 0},
    "leads": {"minItems": 1, "maxItems": MAX_LEADS},
    "missing": {
        "items": {
            "type": "array",
            "prefixItems": [{"type": "integer", "minimum": 0}, {"type": "integer", "minimum": 1}],
            "minItems": 2,
            "maxItems": 2,
        }
    },
    "lead name": {
        "minLength": 1,
        "maxLength": MAX_LEAD_NAME,
        "pattern": r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$",
    },
}
_WIDTHS = tuple((np.dtype(t), np.iinfo(t).min, np.iinfo(t).max) for t in ("<i1", "<i2", "<i4"))


_NO_RANGES = "must be ascending ranges of the signal's samples that do not overlap"

Ranges = tuple[tuple[int, int], ...]


class Lead(msgspec.Struct, frozen=True):
    """One lead: its name, and its samples in ADC units, shape (n,), any signed integer dtype.

    `adc_gain` is the number of ADC units per millivolt, or None if it is unknown. `missing` holds the ranges of samples
    that were not recorded, `(first, count)` each; the samples there are 0.
    """

    name: str
    signal: Signal
    adc_gain: float | None = None
    missing: Ranges = ()


class Content(msgspec.Struct, frozen=True):
    """The content of a submission: its date of recording (ISO 8601), its leads in order, its sampling rate in Hz.

    Date and sampling rate are None if they are unknown. `label` is the owner's name for the ECG, or None.
    """

    date: str | None
    leads: tuple[Lead, ...]
    sampling_rate: float | None = None
    label: str | None = None


class Ecg(msgspec.Struct, frozen=True):
    """A submission with its id and its owner."""

    id: str
    username: str
    date: str | None
    leads: tuple[Lead, ...]
    sampling_rate: float | None = None
    label: str | None = None

    @classmethod
    def of(cls, ecg_id: str, username: str, content: Content) -> "Ecg":
        """Return the ECG for a submission's content."""
        return cls(ecg_id, username, content.date, content.leads, content.sampling_rate, content.label)


def cut(lead: Lead, there: range) -> Lead:
    """Return the samples of a lead within a range, with missing ranges relative to the range's first sample."""
    signal = lead.signal[there.start : there.stop]
    missing = missing_within(lead.missing, there.start, signal.size)
    return msgspec.structs.replace(lead, signal=signal, missing=missing)


def missing_within(missing: Ranges, first: int, count: int) -> Ranges:
    """Return the parts of a lead's missing ranges in `count` samples from `first` on, relative to `first`."""
    if not count:
        return ()
    begin = bisect_right(missing, first, key=sum)
    end = bisect_left(missing, first + count, key=itemgetter(0))
    return tuple(
        (max(start - first, 0), min(start + length, first + count) - max(start, first))
        for start, length in missing[begin:end]
    )


def narrow(signal: Signal) -> Signal:
    """Return the same samples in the smallest little-endian signed dtype that holds them all."""
    if not signal.size:
        return signal.astype("<i1")
    # The array's own `min` and `max` take half as long again for a short signal.
    low, high = np.minimum.reduce(signal), np.maximum.reduce(signal)
    for dtype, least, most in _WIDTHS:
        if least <= low and high <= most:
            return signal.astype(dtype, copy=False)
    return signal


def narrowed(content: Content) -> Content:
    """Return a submission with all of its signals narrowed."""
    leads = tuple(msgspec.structs.replace(lead, signal=narrow(lead.signal)) for lead in content.leads)
    return msgspec.structs.replace(content, leads=leads)


def check_id(value: object, field: str = "id") -> str:
    """Return the value if it is a valid ECG id.

    Raises:
        InvalidEcg: if it is not 1 to 128 letters, digits and `._~:-` that start with a letter or digit.
    """
    if not isinstance(value, str) or not ids.is_valid(value):
        raise InvalidEcg(field, "must be 1 to 128 letters, digits or ._~:- and start with a letter or digit")
    return value


def check_username(value: object) -> str:
    """Return the value if it is a valid username.

    Raises:
        InvalidEcg: if it is not 1 to 128 printable characters without a space at either end.
    """
    if not isinstance(value, str) or len(value) > MAX_USERNAME or not _USERNAME.fullmatch(value):
        raise InvalidEcg("username", f"must be 1 to {MAX_USERNAME} printable characters, no space at the ends")
    return value


def check_date(value: object) -> str | None:
    """Return the value if it is a valid date, or None, which means unknown.

    Raises:
        InvalidEcg: if it is neither null nor an ISO 8601 date or date and time.
    """
    if value is None:
        return None
    if isinstance(value, str) and len(value) <= MAX_DATE:
        try:
            datetime.fromisoformat(value)
        except ValueError:
            pass
        else:
            return value
    raise InvalidEcg("date", "must be an ISO 8601 date or date and time, or null")


def check_label(value: object) -> str | None:
    """Return the value if it is a valid label, or None for null.

    Raises:
        InvalidEcg: if it is neither null nor 1 to 200 characters, is blank, or holds control characters.
    """
    if value is None:
        return None
    if isinstance(value, str) and len(value) <= MAX_LABEL and value.strip() and not _CONTROL.search(value):
        return value
    # Without the value: a label may name a patient.
    raise InvalidEcg("label", f"must be 1 to {MAX_LABEL} printable characters, or null")


def check_sampling_rate(value: object) -> float | None:
    """Return the value if it is a valid sampling rate in Hz, or None, which means unknown.

    Raises:
        InvalidEcg: if it is neither null nor a number above 0 and up to a million.
    """
    if value is None:
        return None
    if _is_number(value) and 0 < value <= MAX_SAMPLING_RATE:
        return float(value)
    raise InvalidEcg("sampling_rate", f"must be a number of hertz above 0, up to {MAX_SAMPLING_RATE:.0f}, or null")


def check_adc_gain(value: object, field: str) -> float | None:
    """Return the value if it is a valid gain in ADC units per millivolt, or None, which means unknown.

    Raises:
        InvalidEcg: if it is neither null nor a finite number above 0.
    """
    if value is None:
        return None
    if _is_number(value) and 0 < value < math.inf:
        return float(value)
    raise InvalidEcg(field, "must be a finite number of ADC units per millivolt above 0, or null")


def check_range_count(count: int, field: str, signal: Signal) -> None:
    """Check the number of ranges of a lead's missing samples before they are decoded.

    Raises:
        InvalidEcg: if there are more ranges than samples.
    """
    if count > signal.size:
        raise InvalidEcg(field, _NO_RANGES)


def check_missing(value: object, field: str, signal: Signal) -> Ranges:
    """Return the valid ranges of a lead's missing samples, ascending and without overlap; null means none.

    Raises:
        InvalidEcg: if they are not ranges `[first, count]` of the signal's samples, or a sample in one is not 0.
    """
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or not all(map(_is_range, value)):
        raise InvalidEcg(field, "must be a list of ranges of samples, [first, count] each, or null")
    ranges: Ranges = tuple((first, count) for first, count in value)
    end = 0
    for first, count in ranges:
        if first < end or not 1 <= count <= signal.size - first:
            raise InvalidEcg(field, _NO_RANGES)
        end = first + count
        if signal[first:end].any():
            raise InvalidEcg(field, "must be ranges whose samples are 0")
    return ranges


def _is_range(value: object) -> bool:
    is_pair = isinstance(value, list | tuple) and len(value) == 2  # noqa: PLR2004 - first and count
    return is_pair and all(type(number) is int for number in value)  # type: ignore[attr-defined]


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_lead_count(count: int) -> None:
    """Check the number of leads.

    Raises:
        InvalidEcg: if there are none, or more than `MAX_LEADS`.
    """
    if not 1 <= count <= MAX_LEADS:
        raise InvalidEcg("leads", f"must hold 1 to {MAX_LEADS} leads, not {count}")


def check_lead_name(value: object, field: str) -> str:
    """Return the value if it is a valid lead name.

    Raises:
        InvalidEcg: if it is not 1 to 128 characters, or blank, or holds control characters.
    """
    # The length is checked first, because the cache keeps the names.
    if not isinstance(value, str) or len(value) > MAX_LEAD_NAME or not _is_lead_name(value):
        raise InvalidEcg(field, f"must be 1 to {MAX_LEAD_NAME} printable characters")
    return value


@lru_cache(maxsize=1024)  # the same few names recur
def _is_lead_name(value: str) -> bool:
    return bool(value.strip()) and not _CONTROL.search(value)
