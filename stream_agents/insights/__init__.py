"""Every insight that is computed of a lead.

To add one, write a module with a pure function from the signals of an ECG, each of shape (n,), to one value for each,
and register it here under the name of the field that it becomes in every answer. A value is what JSON has, or a scalar
or an array of NumPy's; NaN and infinities become null. Where an insight raises, or returns
anything else, the ECG fails.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from shared.ecg import Signal
from stream_agents.insights.zero_crossings import count_zero_crossings

Insight: TypeAlias = Callable[[Sequence[Signal]], Sequence[Any]]

# What answers say of a lead beside its insights.
_TAKEN = frozenset({"name", "number_of_samples"})


def registry(**insights: Insight) -> Mapping[str, Insight]:
    """Return insights by the names of their fields.

    Raises:
        ValueError: if a name is that of another field of a lead, which the insight would overwrite.
    """
    if taken := _TAKEN & insights.keys():
        raise ValueError(f"a lead has a field {min(taken)!r} already")
    return insights


INSIGHTS: Final = registry(number_of_zero_crossings=count_zero_crossings)
