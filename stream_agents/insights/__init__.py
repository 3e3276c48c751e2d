"""Every insight that is computed of a lead.

To add one, write a module with a pure function from the signals of an ECG, each of shape (n,), to one JSON value for
each, and register it here under the name of the field that it becomes in every answer.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from shared.ecg import Signal
from stream_agents.insights.zero_crossings import count_zero_crossings

INSIGHTS: Final[Mapping[str, Callable[[Sequence[Signal]], Sequence[Any]]]] = {
    "number_of_zero_crossings": count_zero_crossings,
}
