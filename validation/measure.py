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
from stream_agents.insights.rhythm import rhythm
from validation.libraries import DETECTORS, delineated
from validation.matching import Indices, Score, match
from validation.records import Record, Reference

OURS, OURS_FIRST = "insights, all leads", "insights, first lead"
INTERVALS = ("pr", "qrs", "qt")


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


def detect(records: Iterable[Record], say: Callable[[str], None]) -> dict[str, Detection]:
    """Return the beats that each detector finds; libraries take only one lead, and get the first one in mV."""
    found = {name: Detection() for name in (OURS, OURS_FIRST, *DETECTORS)}
    for record in records:
        say(record.name)
        first = record.leads[0].signal.astype(np.float64)
        first = (first - np.median(first)) / (record.leads[0].adc_gain or 1.0)
        calls: dict[str, Callable[[], Indices]] = {
            OURS: lambda record=record: find_beats(record.recording()).samples,  # type: ignore[misc]
            OURS_FIRST: lambda record=record: find_beats(record.recording(1)).samples,  # type: ignore[misc]
        }
        for name, library in DETECTORS.items():
            calls[name] = lambda library=library, first=first, rate=record.rate: library(first, rate)  # type: ignore[misc]
        for name, call in calls.items():
            start = time.process_time()
            beats = np.sort(call())
            found[name].seconds += time.process_time() - start
            found[name].beats[record.name] = beats
            found[name].scores[record.name] = match(record.beats, beats, record.rate, list(record.left_out))
    return found


@dataclass
class Measured:
    """Intervals of one record in ms: the reference, NaN where there is none, and answers, None where there are none."""

    record: str
    reference: Mapping[str, float]
    ours: Intervals
    library: Mapping[str, float | None]
    heart_rate_error: float

    def error(self, name: str, *, library: bool = False) -> float | None:
        """Return the difference from the reference in ms, or None if either is missing."""
        value = self.library.get(name) if library else getattr(self.ours, f"{name}_ms")
        return None if value is None or np.isnan(self.reference[name]) else value - self.reference[name]


def measure(records: Iterable[tuple[Record, Reference]], say: Callable[[str], None], *, beside: bool) -> list[Measured]:
    """Return intervals of LUDB; `beside` also those of neurokit2 on lead II."""
    found = []
    for record, reference in records:
        say(record.name)
        recording = record.recording()
        two = next(lead for lead in record.leads if lead.name.upper() == "II")
        library = delineated(two.signal / (two.adc_gain or 1.0), record.rate) if beside else {}
        found.append(
            Measured(
                record.name,
                {name: getattr(reference, name) for name in INTERVALS},
                intervals(recording),
                library,
                _rate_error(rhythm(recording).beats, record),
            )
        )
    return found


def _rate_error(beats: tuple[int, ...], record: Record) -> float:
    """Return by how many beats a minute the rate between the first and last annotated beats is off."""
    inside = [beat for beat in beats if record.beats[0] - 100 <= beat <= record.beats[-1] + 100]
    if len(inside) < 2 or record.beats.size < 2:  # noqa: PLR2004 - one RR interval
        return np.nan
    return (
        60
        * record.rate
        * (
            (len(inside) - 1) / (inside[-1] - inside[0])
            - (record.beats.size - 1) / float(record.beats[-1] - record.beats[0])
        )
    )


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
    def told(self) -> int:
        """Return the number of records with an answer."""
        return self.records - len(self.untold)


def swaps(records: Iterable[Record], say: Callable[[str], None]) -> Swaps:
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
