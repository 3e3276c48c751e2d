"""FHIR: an Observation with SampledData, itself or in components (hl7.org/fhir/R4/datatypes.html#SampledData)."""

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_client.recordings.bare_numbers import Column, channels_of
from ecg_client.recordings.calibrated import channel_of
from ecg_client.recordings.channels import Channel, choose, recording_of
from ecg_client.recordings.recording import Calibration, NoRecording, Recording, UnreadableRecording
from ecg_client.recordings.twelve_leads import in_order, with_derived
from ecg_client.recordings.units import in_a_millivolt

_NAME = re.compile(r"MDC_ECG_(?:ELEC_POTL|LEAD)_(?:AUGM_)?([A-Za-z0-9]+)|(?:ECG\s+)?lead\s+(\S+)", re.IGNORECASE)
# Marks of a sample that was not measured: an error, or a value below (L) or above (U) the device's range.
_MISSING = frozenset({"E", "U", "L"})
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_SECONDS = {"ms": 1e-3, "s": 1.0, "us": 1e-6}


def read_fhir(document: dict[str, Any], calibration: Calibration) -> Recording:
    """Read the leads of an Observation; its subject and all other elements are left out.

    Physical values are sample * factor + origin, in the unit of the origin. If the origin has no unit, samples are the
    file's numbers, and their gain is unknown.

    Raises:
        NoRecording: if it has no SampledData.
        UnreadableRecording: if its SampledData is not valid; the message names the component.
    """
    notes: list[str] = []
    channels = [_channel(number, part, calibration, notes) for number, part in _parts(document)]
    if not channels:
        raise NoRecording("holds no SampledData: it must be a FHIR Observation with components of that type")
    channels = in_order(with_derived(channels, notes))
    chosen = choose([c.name for c in channels], [c.unit for c in channels], calibration.leads, notes)
    return recording_of([channels[i] for i in chosen], _date(document, notes), notes)


def _parts(document: dict[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    components = document.get("component")
    parts = [document, *(components if isinstance(components, list) else [])]
    for number, part in enumerate(parts):
        if isinstance(part, dict) and isinstance(part.get("valueSampledData"), dict):
            yield number, part


def _channel(number: int, part: dict[str, Any], calibration: Calibration, notes: list[str]) -> Channel:
    where = f"component {number}" if number else "valueSampledData"
    sampled = part["valueSampledData"]
    dimensions = sampled.get("dimensions", 1)
    if dimensions != 1:
        raise UnreadableRecording(f"{where}: must have one dimension")
    values, missing = _values(sampled.get("data"), where)
    origin = sampled.get("origin")
    origin = origin if isinstance(origin, dict) else {}
    spelled = [u for key in ("code", "unit") if isinstance(u := origin.get(key), str) and u]
    unit = next(iter(spelled), "")
    if len({in_a_millivolt(u) for u in spelled} - {None}) > 1:
        raise UnreadableRecording(f"{where}.origin: its code and its unit are different units")
    factor, offset = (
        _number(sampled.get("factor", 1), f"{where}.factor"),
        _number(origin.get("value", 0), f"{where}.origin"),
    )
    name = _name(part, number)
    if in_a_millivolt(unit) is None:
        notes.append(
            f"{name}: the origin of its samples has no unit of voltage, so they are the file's numbers, without a gain"
        )
        column = Column(name, np.where(missing, np.nan, values) if missing.any() else values, unit)
        [channel] = channels_of([column], calibration, None, notes)
    else:
        channel = channel_of(Column(name, values, unit), factor, offset, missing, notes)
    if sampled.get("offsets") is not None:
        notes.append(f"{name}: its samples have times of their own (offsets), so no sampling rate is taken from them")
        return channel
    return replace(channel, rate=_rate(sampled, where))


def _values(data: Any, where: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    words = data.split() if isinstance(data, str) else []
    if not words:
        raise UnreadableRecording(f"{where}: has no data")
    wrong = next((i for i, word in enumerate(words) if word not in _MISSING and not _NUMBER.fullmatch(word)), None)
    if wrong is not None:
        raise UnreadableRecording(f"{where}: its value {wrong + 1} must be a number, E, U or L")
    missing = np.array([word in _MISSING for word in words])
    return np.array([0.0 if word in _MISSING else float(word) for word in words]), missing


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UnreadableRecording(f"{where}: must be a number")
    return float(value)


def _rate(sampled: dict[str, Any], where: str) -> float | None:
    """Return the sampling rate from a period (R4, in milliseconds) or an interval with a unit (R5)."""
    seconds = _SECONDS.get(str(sampled.get("intervalUnit", "ms")))
    length = sampled.get("period", sampled.get("interval"))
    if seconds is None:
        raise UnreadableRecording(f"{where}.intervalUnit: must be {', '.join(_SECONDS)}")
    if length is None:
        return None
    period = _number(length, f"{where}.period")
    if not period > 0:
        raise UnreadableRecording(f"{where}.period: must be above 0")
    return 1 / (period * seconds) if seconds != _SECONDS["ms"] else 1000 / period


def _name(part: dict[str, Any], number: int) -> str:
    """Return the name of a lead from its codes, else from the text of its code."""
    code = part.get("code")
    code = code if isinstance(code, dict) else {}
    codings = code.get("coding")
    known = [coding for coding in codings if isinstance(coding, dict)] if isinstance(codings, list) else []
    texts = [text for coding in known for text in (coding.get("display"), coding.get("code"))]
    for text in (*texts, code.get("text")):
        found = _NAME.fullmatch(text) if isinstance(text, str) else None
        if found:
            name = found[1] or found[2]
            return {"AVR": "aVR", "AVL": "aVL", "AVF": "aVF"}.get(name.upper(), name)
    return f"lead {number}"


def _date(document: dict[str, Any], notes: list[str]) -> str | None:
    period = document.get("effectivePeriod")
    text = document.get("effectiveDateTime") or (period.get("start") if isinstance(period, dict) else None)
    if not isinstance(text, str):
        return None
    try:
        datetime.fromisoformat(text)
    except ValueError:
        notes.append("its date is invalid or incomplete, so it is left out")
        return None
    return text
