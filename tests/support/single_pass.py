"""The beats of a recording as its owner reads them, found in a single pass over all of its samples."""

from collections.abc import Sequence
from functools import reduce
from typing import Any, NamedTuple

import msgspec

from shared.ecg import Lead
from stream_agents.recordings.minutes import SEGMENTS, Totals, fold, minute, summary
from stream_agents.recordings.segments import single_pass


class Beats(NamedTuple):
    """The beats in total, and those of every minute: documents that a gateway answers with."""

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
