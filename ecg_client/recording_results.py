"""The types that calls about recordings return, and their parsers."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from ecg_client.results import Insights, LeadInsights
from shared.ecg import Lead, Ranges
from shared.encoding import packed, plain


@dataclass(frozen=True, slots=True)
class RecordingLead(LeadInsights):
    """A lead of a recording: its insights so far, and its ADC units per millivolt, or None if they are unknown."""

    adc_gain: float | None = None


@dataclass(frozen=True, slots=True)
class RecordingInsights:
    """The insights of a recording so far.

    Every sample before `complete_until` has arrived, or is in one of the `gaps`, `(first, count)` each, whose samples
    count as zeros. `number_of_samples` includes the gaps. `final` is True once the recording has ended. A chunk that
    arrives for a gap is still used, and `revision` grows. `refused` is the number of messages that were refused,
    `refusals` has the latest reasons. `beats` has the number of beats and the heart rates so far, or is None if beats
    are not searched for. `not_computed` has the reason for each absent insight, by name.
    """

    recording_id: str
    leads: tuple[RecordingLead, ...]
    sampling_rate: float
    number_of_samples: int
    complete_until: int
    gaps: Ranges
    final: bool
    revision: int
    refused: int = 0
    refusals: tuple[str, ...] = ()
    date: str | None = None
    label: str | None = None
    accepted_at: datetime | None = None
    beats: dict[str, Any] | None = field(default=None, repr=False)
    not_computed: dict[str, str] = field(default_factory=dict)

    def has(self, first: int, count: int) -> bool:
        """Return True if `count` samples from `first` on are known to have arrived."""
        end = first + count
        return end <= self.complete_until and not any(gap < end and gap + size > first for gap, size in self.gaps)

    @property
    def next_sample(self) -> int:
        """The first sample that is not known to have arrived."""
        return self.gaps[0][0] if self.gaps else self.complete_until

    @property
    def refusal(self) -> str:
        """A sentence with the number of refused messages and the latest reason; empty if none was refused."""
        match self.refused:
            case 0:
                return ""
            case 1:
                return f"1 message was refused: {self.refusals[-1]}"
            case number:
                return f"{number:,} messages were refused, the last one: {self.refusals[-1]}"

    @property
    def as_insights(self) -> Insights:
        """The insights of the leads, in the form of an ECG's."""
        leads = tuple(LeadInsights(lead.name, lead.values) for lead in self.leads)
        return Insights(self.recording_id, leads, sampling_rate=self.sampling_rate)


@dataclass(frozen=True, slots=True)
class RecordingSummary:
    """A recording in its owner's list; one that failed has an error."""

    id: str
    date: str | None
    label: str | None
    accepted_at: datetime
    final: bool
    sampling_rate: float | None
    number_of_samples: int
    leads: tuple[RecordingLead, ...]
    error: str | None = None


@dataclass(frozen=True, slots=True)
class RecordingPage:
    """A page of the list of recordings, and the cursor of the next page, if there is one."""

    recordings: tuple[RecordingSummary, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class MinutePage:
    """A page of minutes of a recording, and the number of the first minute of the next page, if there is one."""

    minutes: tuple[dict[str, Any], ...]
    next: int | None


@dataclass(frozen=True, slots=True)
class RecordingSignals:
    """Samples of a recording from `first_sample` on; the leads' `missing` ranges are relative to it."""

    first_sample: int
    leads: tuple[Lead, ...]
    sampling_rate: float | None


class _Signals(msgspec.Struct):
    first_sample: int


_signals = msgspec.json.Decoder(_Signals)
_packed_signals = msgspec.msgpack.Decoder(_Signals)


def parse_recording_insights(document: dict[str, Any]) -> RecordingInsights:
    """Parse the insights of a recording."""
    return RecordingInsights(
        document["id"],
        tuple(map(_lead, document["leads"])),
        document["sampling_rate"],
        document["number_of_samples"],
        document["complete_until"],
        tuple((first, count) for first, count in document["gaps"]),
        document["final"],
        document["revision"],
        document["refused"]["number"],
        tuple(document["refused"]["latest"]),
        document["date"],
        document.get("label"),
        datetime.fromisoformat(document["accepted_at"]),
        document.get("beats"),
        document.get("not_computed", {}),
    )


def parse_recordings(document: dict[str, Any]) -> RecordingPage:
    """Parse a page of the list of recordings."""
    return RecordingPage(tuple(map(_summary, document["recordings"])), document["next"])


def parse_minutes(document: dict[str, Any]) -> MinutePage:
    """Parse a page of minutes of a recording."""
    return MinutePage(tuple(document["minutes"]), document["next"])


def parse_signals(answer: bytes) -> RecordingSignals:
    """Parse samples of a recording straight into arrays.

    Raises:
        ValueError, InvalidEcg: if the answer holds no samples.
    """
    content = plain.decode_content(answer)
    return RecordingSignals(_signals.decode(answer).first_sample, content.leads, content.sampling_rate)


def parse_packed_signals(answer: bytes) -> RecordingSignals:
    """Parse samples of a recording in the packed encoding.

    Raises:
        ValueError, InvalidEcg: if the answer holds no samples.
    """
    content = packed.decode_content(answer)
    # Copied, because views of the answer are read-only, and hold all of it in memory.
    leads = tuple(msgspec.structs.replace(lead, signal=lead.signal.copy()) for lead in content.leads)
    return RecordingSignals(_packed_signals.decode(answer).first_sample, leads, content.sampling_rate)


def _lead(document: dict[str, Any]) -> RecordingLead:
    values = {name: value for name, value in document.items() if name not in {"name", "adc_gain"}}
    return RecordingLead(document["name"], values, document["adc_gain"])


def _summary(document: dict[str, Any]) -> RecordingSummary:
    return RecordingSummary(
        document["id"],
        document["date"],
        document.get("label"),
        datetime.fromisoformat(document["accepted_at"]),
        document["final"],
        document.get("sampling_rate"),
        document["number_of_samples"],
        tuple(map(_lead, document["leads"])),
        document["error"],
    )
