"""Finds the beats of a recording in a single pass over its samples, and returns them as its owner reads them."""

from collections.abc import Sequence
from functools import reduce
from typing import Any, NamedTuple

import msgspec

from shared.ecg import Lead
from stream_agents.recordings.minutes import SEGMENTS, Totals, fold, minute, summary
from stream_agents.recordings.segments import single_pass


class Beats(NamedTuple):
    """The beats in total and of every minute, as the documents of a gateway's answers."""

    total: dict[str, Any]
    minutes: list[dict[str, Any]]


def beats(leads: Sequence[Lead], rate: float) -> Beats:
    """Return the beats of leads of the same length, at a sampling rate in Hz."""
    segments = list(single_pass(leads, rate))
    minutes = []
    for index, begin in enumerate(range(0, len(segments), SEGMENTS)):
        of_minute = segments[begin : begin + SEGMENTS]
        document = msgspec.to_builtins(minute(index, of_minute, rate))
        del document["segments"]
        minutes.append(document | {"beats": [beat for segment in of_minute for beat in segment.beats]})
    return Beats(msgspec.to_builtins(summary(reduce(fold, segments, Totals()), rate)), minutes)
