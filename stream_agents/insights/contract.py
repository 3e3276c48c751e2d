"""What an insight declares of itself: its name and version, what it needs of an ECG, and the type of its result."""

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from stream_agents.insights.recording import Recording


class Needs(msgspec.Struct, frozen=True):
    """What an ECG must have for an insight.

    Attributes:
        sampling_rate: the lowest sampling rate in Hz.
        gain: whether at least one lead needs an ADC gain.
        leads: standard names of leads that must all be there.
        seconds: the shortest recording.
    """

    sampling_rate: float = 0.0
    gain: bool = False
    leads: frozenset[str] = frozenset()
    seconds: float = 0.0


class Insight(msgspec.Struct, frozen=True):
    """One insight: a pure function of a recording, and what schemas, documents and tables are made from.

    Attributes:
        name: the name of its field in answers.
        version: raised whenever results change, so that rows of older versions can be told apart.
        scope: whether `compute` returns one result, or one for each lead in their order.
        needs: an ECG without these gets no result.
        result: a `msgspec.Struct`; its fields carry their meaning, and their unit as `Meta(extra={"unit": ...})`.
        compute: the function. Measurements that this ECG does not allow are None in its result.
    """

    name: str
    version: int
    scope: Literal["lead", "ecg"]
    needs: Needs
    result: type[msgspec.Struct]
    compute: Callable[[Recording], Any]


def unmet(needs: Needs, recording: Recording) -> str | None:
    """Return which need a recording does not meet, in words, or None if it meets all."""
    if recording.sampling_rate < needs.sampling_rate:
        return f"needs a sampling rate of at least {needs.sampling_rate:g} Hz"
    if recording.seconds < needs.seconds:
        return f"needs a recording of at least {needs.seconds:g} seconds"
    if needs.gain and all(lead.adc_gain is None for lead in recording.leads):
        return "needs the ADC gain of a lead"
    if absent := needs.leads - {lead.name for lead in recording.leads}:
        return f"needs lead {min(absent)}"
    return None
