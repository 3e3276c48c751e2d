"""Matching of detected with annotated beats within 150 ms, one to one, as in ANSI/AAMI EC57 and IEC 60601-2-47."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

WINDOW_SECONDS = 0.15
Indices = NDArray[np.int64]


@dataclass
class Score:
    """Beats found, wrong ones, and missed ones, which add up over records."""

    found: int = 0
    wrong: list[int] = field(default_factory=list)
    missed: list[int] = field(default_factory=list)

    @property
    def sensitivity(self) -> float:
        """Return the percentage of annotated beats that were found."""
        return 100 * self.found / max(1, self.found + len(self.missed))

    @property
    def predictivity(self) -> float:
        """Return the percentage of detected beats that are annotated."""
        return 100 * self.found / max(1, self.found + len(self.wrong))

    @property
    def f1(self) -> float:
        """Return the harmonic mean of both in per cent."""
        return 200 * self.found / max(1, 2 * self.found + len(self.wrong) + len(self.missed))

    def __add__(self, other: "Score") -> "Score":
        return Score(self.found + other.found, self.wrong + other.wrong, self.missed + other.missed)


def match(annotated: Indices, detected: Indices, rate: float, left_out: list[tuple[int, int]] | None = None) -> Score:
    """Match beats, both as increasing sample indices.

    Nothing within the ranges of `left_out` counts, such as episodes of ventricular flutter, whose waves are no beats.
    """
    window = WINDOW_SECONDS * rate
    pairs = _nearest_first(annotated, detected, window)
    used = {second for _, second in pairs}
    hit = {first for first, _ in pairs}

    def counts(sample: int) -> bool:
        return not any(start <= sample <= stop for start, stop in left_out or ())

    return Score(
        sum(1 for first in hit if counts(int(annotated[first]))),
        [int(at) for index, at in enumerate(detected) if index not in used and counts(int(at))],
        [int(at) for index, at in enumerate(annotated) if index not in hit and counts(int(at))],
    )


def _nearest_first(annotated: Indices, detected: Indices, window: float) -> list[tuple[int, int]]:
    """Return pairs of indices, the nearest ones first, so that no beat is in two of them."""
    low = np.searchsorted(detected, annotated - window)
    high = np.searchsorted(detected, annotated + window, side="right")
    near = [
        (abs(int(detected[other]) - int(annotated[beat])), beat, other)
        for beat in range(annotated.size)
        for other in range(low[beat], high[beat])
    ]
    beats: set[int] = set()
    others: set[int] = set()
    pairs = []
    for _, beat, other in sorted(near):
        if beat not in beats and other not in others:
            beats.add(beat)
            others.add(other)
            pairs.append((beat, other))
    return pairs


def flutter(samples: Indices, symbols: list[str]) -> list[tuple[int, int]]:
    """Return the episodes of ventricular flutter that annotations open with `[` and close with `]`."""
    edges = [(int(at), symbol) for at, symbol in zip(samples, symbols, strict=True) if symbol in "[]"]
    return [(start, stop) for (start, opens), (stop, closes) in pairwise(edges) if (opens, closes) == ("[", "]")]
