"""Zero crossings: how often each lead crosses the isoelectric line."""

from collections.abc import Sequence
from itertools import islice
from typing import Annotated, Final, cast

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from shared.ecg import Signal
from stream_agents.insights.contract import Insight
from stream_agents.insights.recording import Recording


def count_zero_crossings(signals: Sequence[Signal]) -> list[int]:
    """Count the zero crossings of signals, each of shape (n,) and any signed integer dtype.

    A crossing is counted at sample i when x[i] is zero and x[i-1] is not, or when they are of opposite sign;
    leaving zero is not counted. A signal of fewer than two samples has none. Only signs are compared, and nothing
    is multiplied or subtracted, so that the count is exact over the whole int64 range.
    """
    if any(signal.dtype != signals[0].dtype for signal in signals):
        return [count for signal in signals for count in count_zero_crossings([signal])]
    # One pass over all signals: for a short one, NumPy's calls take longer than the computation.
    crossed = _crossed(np.concatenate(signals))
    counts, start = [], 0
    for signal in signals:
        end = start + signal.size
        # The last comparison is between this signal and the next.
        counts.append(int(np.count_nonzero(crossed[start : max(start, end - 1)])))
        start = end
    return counts


def count_together(signals: Sequence[Signal]) -> list[int]:
    """Count the zero crossings of many short signals, as `count_zero_crossings` does.

    The number of NumPy calls does not depend on the number of signals. For long signals, it takes more time.
    """
    # Concatenating signals of different widths gives the widest type, so that values stay the same.
    crossings = np.flatnonzero(_crossed(np.concatenate(signals)))
    sizes = np.fromiter(map(len, signals), np.int64, len(signals))
    ends = sizes.cumsum()
    starts = ends - sizes
    # The last comparison of each signal is with the next signal, and is left out.
    counts = crossings.searchsorted(np.maximum(starts, ends - 1)) - crossings.searchsorted(starts)
    return cast("list[int]", counts.tolist())


def zero_crossings(recording: Recording) -> list[int]:
    """Return the number of zero crossings of each lead."""
    return count_zero_crossings([lead.signal for lead in recording.leads])


def zero_crossings_together(recordings: Sequence[Recording]) -> list[list[int]]:
    """Return the number of zero crossings of each lead of several short recordings."""
    counts = iter(count_together([lead.signal for recording in recordings for lead in recording.leads]))
    return [list(islice(counts, len(recording.leads))) for recording in recordings]


INSIGHT: Final = Insight(
    name="number_of_zero_crossings",
    version=1,
    scope="lead",
    result=Annotated[
        int,
        Meta(
            title="zero crossings",
            description="samples at which the signal becomes zero or changes its sign; leaving zero is not counted",
            ge=0,
            extra={"unit": "1"},
        ),
    ],
    compute=zero_crossings,
    compute_many=zero_crossings_together,
)


def _crossed(samples: Signal) -> NDArray[np.bool_]:
    """Return True for each sample but the first that is a crossing, shape (n - 1,), or (0,) for n = 0."""
    crossed = _left(samples > 0)
    crossed |= _left(samples < 0)
    return crossed


def _left(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return True for each pair of neighbours of which the first is inside and the second is not."""
    return inside[1:] < inside[:-1]
