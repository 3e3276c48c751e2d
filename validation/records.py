"""Annotated recordings of MIT-BIH, the Noise Stress Test, LUDB, PTB-XL and CPSC2019, as they are published."""

import ast
import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import wfdb
from numpy.typing import NDArray
from scipy.io import loadmat
from scipy.signal import resample_poly

from shared.ecg import Lead, narrow
from stream_agents.insights.recording import Recording
from validation.matching import Indices, flutter

BEATS = frozenset("NLRBAaJSVrFejnE/fQ?")
_LUDB_LEADS = ("i", "ii", "iii", "avr", "avl", "avf", "v1", "v2", "v3", "v4", "v5", "v6")
_NO_MARK = np.nan
_CPSC_RATE = 500.0
# Its samples are fractions of a millivolt.
_CPSC_GAIN = 1000.0


@dataclass(frozen=True)
class Record:
    """A recording, and its annotated beats as sample indices."""

    name: str
    leads: tuple[Lead, ...]
    rate: float
    beats: Indices
    left_out: tuple[tuple[int, int], ...] = ()
    labels: frozenset[str] = frozenset()

    def recording(self, leads: int | None = None) -> Recording:
        """Return the first leads, or all, as insights take them."""
        return Recording(self.leads[:leads], self.rate)

    def of_leads(self, leads: tuple[Lead, ...]) -> "Record":
        """Return the same record with other leads."""
        return replace(self, leads=leads)

    def at_rate(self, rate: float) -> "Record":
        """Return the same record at another sampling rate in Hz."""
        ratio = Fraction(rate / self.rate).limit_denominator(1000)

        def resampled(lead: Lead) -> Lead:
            values = resample_poly(lead.signal.astype(np.float64), ratio.numerator, ratio.denominator, padtype="line")
            return Lead(lead.name, narrow(np.rint(values).astype(np.int64)), lead.adc_gain)

        def moved(sample: int) -> int:
            return round(sample * float(ratio))

        return replace(
            self,
            leads=tuple(map(resampled, self.leads)),
            rate=rate,
            beats=np.rint(self.beats * float(ratio)).astype(np.int64),
            left_out=tuple((moved(start), moved(stop)) for start, stop in self.left_out),
        )


def rhythm_records(folder: Path) -> Iterator[Record]:
    """Yield the records of a folder that have annotated beats."""
    for header in sorted(folder.glob("*.hea")):
        if not header.with_suffix(".atr").exists():
            continue
        found = wfdb.rdann(str(header.with_suffix("")), "atr")
        at = np.asarray(found.sample, np.int64)
        beats = at[[symbol in BEATS for symbol in found.symbol]]
        leads, rate = _leads(header)
        yield Record(header.stem, leads, rate, beats, tuple(flutter(at, found.symbol)))


def cpsc2019(folder: Path) -> Iterator[Record]:
    """Yield the records of CPSC2019: noisy single leads of 10 s in `data/`, their beats in `ref/`."""
    for path in sorted(folder.rglob("data_*.mat")):
        number = path.stem.removeprefix("data_")
        beats = path.parents[1] / "ref" / f"R_{number}.mat"
        samples = np.rint(loadmat(path)["ecg"].ravel() * _CPSC_GAIN).astype(np.int64)
        at = loadmat(beats)["R_peak"].ravel().astype(np.int64)
        yield Record(number, (Lead("ECG", narrow(samples), _CPSC_GAIN),), _CPSC_RATE, np.sort(at))


@dataclass(frozen=True)
class Reference:
    """Intervals of a record in ms, as annotators marked them; NaN where they marked no such wave."""

    pr: float
    qrs: float
    qt: float


def ludb(folder: Path) -> Iterator[tuple[Record, Reference]]:
    """Yield the records of LUDB with their reference: the median over beats of the median of the leads' marks."""
    for header in sorted(folder.glob("*.hea"), key=lambda path: int(path.stem)):
        leads, rate = _leads(header)
        marks = [_marks(header, lead) for lead in _LUDB_LEADS]
        beats = _grouped([beat for lead in marks for beat in lead], rate)
        ms = 1000 / rate
        reference = Reference(
            pr=_median(beats[:, 1] - beats[:, 3]) * ms,
            qrs=_median(beats[:, 2] - beats[:, 1]) * ms,
            qt=_median(beats[:, 4] - beats[:, 1]) * ms,
        )
        yield Record(header.stem, leads, rate, np.rint(beats[:, 0]).astype(np.int64)), reference


def ptbxl(folder: Path) -> Iterator[Record]:
    """Yield the records of PTB-XL with the names of their statements."""
    with (folder / "labels.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            leads, rate = _leads(folder / f"{row['record']}.hea")
            labels = frozenset(ast.literal_eval(row["scp_codes"]))
            yield Record(row["record"], leads, rate, np.empty(0, np.int64), labels=labels)


def _leads(header: Path) -> tuple[tuple[Lead, ...], float]:
    found = wfdb.rdrecord(str(header.with_suffix("")), physical=False)
    signals = np.asarray(found.d_signal, np.int64).T
    leads = zip(found.sig_name, signals, found.adc_gain, strict=True)
    return tuple(Lead(name, narrow(np.ascontiguousarray(row)), float(gain)) for name, row, gain in leads), float(
        found.fs
    )


def _marks(header: Path, lead: str) -> list[tuple[float, ...]]:
    """Return a lead's beats: peak, onset and end of QRS, onset of P, end of T, in samples."""
    found = wfdb.rdann(str(header.with_suffix("")), lead)
    at, symbols = found.sample, found.symbol
    waves = []
    for index, symbol in enumerate(symbols):
        if symbol in "pNt":
            onset = float(at[index - 1]) if index and symbols[index - 1] == "(" else _NO_MARK
            end = float(at[index + 1]) if index + 1 < len(symbols) and symbols[index + 1] == ")" else _NO_MARK
            waves.append((symbol, float(at[index]), onset, end))
    beats: list[tuple[float, ...]] = []
    for index, (symbol, peak, onset, end) in enumerate(waves):
        if symbol == "N":
            before = waves[index - 1] if index else ("", 0.0, _NO_MARK, _NO_MARK)
            after = waves[index + 1] if index + 1 < len(waves) else ("", 0.0, _NO_MARK, _NO_MARK)
            p, t = (before[2] if before[0] == "p" else _NO_MARK), (after[3] if after[0] == "t" else _NO_MARK)
            beats.append((peak, onset, end, p, t))
    return beats


def _grouped(marks: list[tuple[float, ...]], rate: float) -> NDArray[np.float64]:
    """Return the beats that leads show together, shape (beats, 5): medians of marks that at least half of them have."""
    groups: list[list[tuple[float, ...]]] = []
    for mark in sorted(marks):
        if groups and mark[0] - groups[-1][0][0] <= 0.2 * rate:
            groups[-1].append(mark)
        else:
            groups.append([mark])
    return np.array(
        [[_median(np.array(column), len(group) / 2) for column in zip(*group, strict=True)] for group in groups]
    )


def _median(values: NDArray[np.float64], least: float = 1) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size and known.size >= least else _NO_MARK
