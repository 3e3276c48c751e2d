"""The declaration of an insight: its name and version, its needs, and the type of its result."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import msgspec

from stream_agents.insights.recording import Recording

Scope = Literal["lead", "ecg"]


class Needs(msgspec.Struct, frozen=True):
    """What an ECG must have for an insight.

    Attributes:
        sampling_rate: the lowest sampling rate in Hz; 0 if none has to be known.
        seconds: the shortest recording.
    """

    sampling_rate: float = 0.0
    seconds: float = 0.0

    def each(self) -> Iterator[tuple[str, Callable[[Recording], bool]]]:
        """Yield each need: a phrase that completes "needs ...", and a check that returns True if it is met."""
        if self.sampling_rate:
            phrase = f"a sampling rate of at least {self.sampling_rate:g} Hz"
            yield phrase, lambda recording: recording.sampling_rate >= self.sampling_rate
        if self.seconds:
            yield f"at least {self.seconds:g} s of recording", lambda recording: recording.seconds >= self.seconds

    def unmet(self, recording: Recording) -> str | None:
        """Return the first need that a recording does not meet, as a phrase, or None if it meets all."""
        return next((phrase for phrase, is_met in self.each() if not is_met(recording)), None)


class Insight(msgspec.Struct, frozen=True, kw_only=True):
    """One insight: a pure function of a recording, and the source of its schemas, documents and tables.

    Attributes:
        name: the name of its field in answers.
        version: increased whenever results change, so that rows with older results can be told apart.
        scope: "lead" if `compute` returns one result for each lead in their order, "ecg" if it returns one result.
        needs: an ECG that does not meet them gets no result.
        result: the type of a result: a number, or a `msgspec.Struct`. Every field has a title, a description and a
            unit (UCUM), the latter as `Meta(extra={"unit": ...})`; with a LOINC code as `"loinc"`, it is part of the
            FHIR Observation.
        compute: the function. A measurement that an ECG does not allow is None in its result.
        compute_many: returns the result of `compute` for each of several recordings, in less time than separate calls;
            None if the insight has no such function. It also gets recordings that do not meet the needs. If it raises
            an error, each recording is computed alone.
        summary: fields of the result that lists and events show. The summary of a true-or-false field of leads is the
            number of leads for which it is true.
    """

    name: str
    version: int
    scope: Scope
    result: Any
    compute: Callable[[Recording], Any]
    compute_many: Callable[[Sequence[Recording]], Sequence[Any]] | None = None
    needs: Needs = Needs()
    summary: tuple[str, ...] = ()
