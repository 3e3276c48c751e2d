"""The registry of insights: values that are computed for every lead.

To add an insight, write a module with a pure function from the signals of an ECG, each of shape (n,), to one value for
each, and register it here under the name of its field in every answer. A value is a JSON value, or a NumPy scalar or
array; NaN and infinities become null. If an insight raises, or returns anything else, the ECG fails.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from shared.ecg import Ecg, Signal
from stream_agents.insights.zero_crossings import count_zero_crossings

Insight: TypeAlias = Callable[[Sequence[Signal]], Sequence[Any]]

# A lead's other fields in answers.
_TAKEN = frozenset({"name", "number_of_samples"})


def registry(**insights: Insight) -> Mapping[str, Insight]:
    """Return insights by the name of their field.

    Raises:
        ValueError: if a lead has another field of that name, which the insight would overwrite.
    """
    if taken := _TAKEN & insights.keys():
        raise ValueError(f"a lead has a field {min(taken)!r} already")
    return insights


INSIGHTS: Final = registry(number_of_zero_crossings=count_zero_crossings)


def compute(ecg: Ecg) -> list[dict[str, object]]:
    """Compute every insight of every lead, in the order of the leads.

    Raises:
        BaseException: any error that an insight raises.
        ValueError: if an insight does not return one value for each lead.
    """
    signals = [lead.signal for lead in ecg.leads]
    leads: list[dict[str, object]] = [{"name": lead.name} for lead in ecg.leads]
    for field, insight in INSIGHTS.items():
        for lead, value in zip(leads, insight(signals), strict=True):
            lead[field] = value
    return leads
