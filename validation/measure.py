"""The results of the insights and of other libraries on annotated recordings."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared.ecg import Lead
from stream_agents.insights.beats import find_beats
from stream_agents.insights.intervals import Intervals, intervals
from stream_agents.insights.lead_checks import lead_checks
from stream_agents.insights.recording import Recording
from stream_agents.insights.rhythm import rhythm
from stream_agents.recordings.segments import single_pass
from validation.matching import Indices, Score, match
from validation.records import Record, Reference

OURS, OURS_FIRST = "insights, all leads", "insights, first lead"
OURS_LIVE = "insights, as a live recording"
INTERVALS = ("pr", "qrs", "qt")
RATES = (125.0, 250.0, 500.0, 1000.0)
_UNCHANGED = "as recorded"
_FACTOR, _OFFSET, _CHUNK_SECONDS = 7, 1_000_000, 60.0

Detector = Callable[[NDArray[np.float64], float], Indices]
# PR, QRS and QT of one lead in ms.
Delineator = Callable[[NDArray[np.float64], float], Mapping[str, float | None]]
Say = Callable[[str], None]


@dataclass
class Detection:
    """One detector's scores by record, the beats it found, and its CPU seconds for all of them."""

    scores: dict[str, Score] = field(default_factory=dict)
    beats: dict[str, Indices] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def total(self) -> Score:
        """Return the sum over records: each beat counts the same."""
        return sum(self.scores.values(), Score())


def detect(records: Iterable[Record], libraries: Mapping[str, Detector], say: Say) -> dict[str, Detection]:
    """Return the beats that each detector finds; libraries take only one lead, and get the first one in mV."""
    found = {name: Detection() for name in (OURS, OURS_FIRST, OURS_LIVE, *libraries)}
    for record in records:
        say(record.name)
        first = record.leads[0].signal.astype(np.float64)
        first = (first - np.median(first)) / (record.leads[0].adc_gain or 1.0)
        calls: dict[str, Callable[[], Indices]] = {
            OURS: lambda record=record: find_beats(record.recording()).samples,  # type: ignore[misc]
            OURS_FIRST: lambda record=record: find_beats(record.recording(1)).samples,  # type: ignore[misc]
            OURS_LIVE: lambda record=record: _in_segments(record),  # type: ignore[misc]
        }
        for name, library in libraries.items():
            calls[name] = lambda library=library, first=first, rate=record.rate: library(first, rate)  # type: ignore[misc]
        for name, call in calls.items():
            start = time.process_time()
            beats = np.sort(call())
            found[name].seconds += time.process_time() - start
            found[name].beats[record.name] = beats
            found[name].scores[record.name] = match(record.beats, beats, record.rate, list(record.left_out))
    return found


def _in_segments(record: Record) -> Indices:
    """Return the beats on all leads, found segment by segment as those of a live recording are."""
    segments = single_pass(record.leads, record.rate)
    return np.array([beat for segment in segments for beat in segment.beats], np.int64)


def variants(records: Iterable[Record], say: Say) -> dict[str, Score]:
    """Return the scores of records as they are, and changed in ways that should not matter."""
    found: dict[str, Score] = {}

    def add(name: str, record: Record, recording: Recording | None = None) -> None:
        beats = find_beats(recording or record.recording()).samples
        found[name] = found.get(name, Score()) + match(record.beats, beats, record.rate, list(record.left_out))

    for record in records:
        say(record.name)
        add(_UNCHANGED, record)
        add(f"chunks of {_CHUNK_SECONDS:.0f} s", record, Recording(record.leads, record.rate, _CHUNK_SECONDS))
        for name, factor, offset in (
            (f"gain x{_FACTOR}", _FACTOR, 0),
            ("upside down", -1, 0),
            (f"offset of {_OFFSET:,}", 1, _OFFSET),
        ):
            leads = (Lead(lead.name, lead.signal.astype(np.int64) * factor + offset) for lead in record.leads)
            add(name, record.of_leads(tuple(leads)))
        for rate in RATES:
            add(f"{rate:.0f} Hz", record.at_rate(rate))
        add("other leads off by turns", record.of_leads(_off_by_turns(record)))
    return found


def _off_by_turns(record: Record) -> tuple[Lead, ...]:
    """Return the leads of a record, all but the first of them flat in every second minute, as when they are off."""
    minute = round(60 * record.rate)

    def off(lead: Lead) -> Lead:
        values = lead.signal.copy()
        for start in range(minute, values.size, 2 * minute):
            values[start : start + minute] = values[start]
        return Lead(lead.name, values, lead.adc_gain)

    return (record.leads[0], *map(off, record.leads[1:]))


def rates(records: Iterable[Record], counted: Mapping[str, float], say: Say) -> dict[str, tuple[float, float | None]]:
    """Return the heart rates counted by hand, of the records that have one, and those measured."""
    found: dict[str, tuple[float, float | None]] = {}
    for record in records:
        if record.name in counted:
            say(record.name)
            found[record.name] = counted[record.name], rhythm(record.recording()).heart_rate_bpm
    return found


@dataclass
class Measured:
    """Intervals of one record in ms: the reference, NaN where there is none, and answers, None where there are none."""

    record: str
    reference: Mapping[str, float]
    ours: Intervals
    library: Mapping[str, float | None]

    def error(self, name: str, *, library: bool = False) -> float | None:
        """Return the difference from the reference in ms, or None if either is missing."""
        value = self.library.get(name) if library else getattr(self.ours, f"{name}_ms")
        return None if value is None or np.isnan(self.reference[name]) else value - self.reference[name]


def measure(records: Iterable[tuple[Record, Reference]], library: Delineator, say: Say) -> list[Measured]:
    """Return intervals of LUDB, and those of a library on lead II."""
    found = []
    for record, reference in records:
        say(record.name)
        recording = record.recording()
        two = next(lead for lead in record.leads if lead.name.upper() == "II")
        found.append(
            Measured(
                record.name,
                {name: getattr(reference, name) for name in INTERVALS},
                intervals(recording),
                library(two.signal / (two.adc_gain or 1.0), record.rate),
            )
        )
    return found


@dataclass
class Swaps:
    """How often swapped arms are noticed in records as they are, and with the arms swapped; and largest sums in mV."""

    alarms: list[str] = field(default_factory=list)
    overlooked: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)
    records: int = 0
    largest_sum: float = 0.0
    not_adding_up: int = 0

    @property
    def found_percent(self) -> float:
        """The share of swapped records that were noticed; one without an answer was not."""
        return 100 * (1 - len(self.overlooked + self.untold) / max(1, self.records))

    @property
    def false_percent(self) -> float:
        """The share of sound records that were taken for swapped ones."""
        return 100 * len(self.alarms) / max(1, self.records)


def swaps(records: Iterable[Record], say: Say) -> Swaps:
    """Return the results of the checks on 12-lead records, and on the same ones with swapped arm electrodes."""
    found = Swaps()
    for record in records:
        say(record.name)
        found.records += 1
        plain = lead_checks(record.recording())
        other = lead_checks(record.of_leads(swapped(record.leads)).recording())
        found.largest_sum = max(found.largest_sum, plain.limb_lead_error_mv or 0.0)
        found.not_adding_up += plain.limb_leads_add_up is False
        if plain.arm_electrodes_swapped is None or other.arm_electrodes_swapped is None:
            found.untold.append(record.name)
            continue
        if plain.arm_electrodes_swapped:
            found.alarms.append(record.name)
        if not other.arm_electrodes_swapped:
            found.overlooked.append(record.name)
    return found


def swapped(leads: tuple[Lead, ...]) -> tuple[Lead, ...]:
    """Return twelve leads as they are recorded with the electrodes of both arms swapped."""
    by_name = {lead.name.upper(): lead for lead in leads}
    other = {"II": "III", "III": "II", "AVR": "AVL", "AVL": "AVR"}

    def of(lead: Lead) -> Lead:
        if lead.name.upper() == "I":
            return Lead(lead.name, -lead.signal.astype(np.int64), lead.adc_gain)
        source = by_name[other.get(lead.name.upper(), lead.name.upper())]
        return Lead(lead.name, source.signal, source.adc_gain)

    return tuple(of(lead) for lead in leads)


def statistics(errors: Iterable[float | None]) -> tuple[int, float, float, float]:
    """Return the number of errors, their mean, standard deviation and mean absolute value."""
    known: NDArray[np.float64] = np.array([error for error in errors if error is not None])
    if not known.size:
        return 0, np.nan, np.nan, np.nan
    return known.size, float(known.mean()), float(known.std()), float(np.abs(known).mean())
