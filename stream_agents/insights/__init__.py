"""Every insight that is computed of a lead.

To add one, write a module with a pure function from a signal, shape (n,), to a JSON value, and register it
here under the name of the field that it becomes in every answer.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from shared.ecg import Signal
from stream_agents.insights.zero_crossings import count_zero_crossings

INSIGHTS: Final[Mapping[str, Callable[[Signal], Any]]] = {
    "number_of_zero_crossings": count_zero_crossings,
}
