"""The page of the validation: targets, sums, and every record."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.markdown import table
from validation.measure import INTERVALS, OURS, Detection, Measured, Swaps, statistics

_TOLERANCE = {"pr": "10 and 14", "qrs": "8 and 12", "qt": "18 and 30"}
_IEC = {"pr": "+-10, SD 10", "qrs": "+-10, SD 10", "qt": "+-25, SD 30"}
_MOST = {"pr": (10.0, 14.0), "qrs": (8.0, 12.0), "qt": (18.0, 30.0)}
_WORST = 10


@dataclass(frozen=True)
class Target:
    """A target and the value that was reached."""

    name: str
    target: str
    reached: str
    met: bool
    why: str = ""


def targets(found: Sequence[Target]) -> str:
    """Write the table of targets."""
    rows = [(row.name, row.target, row.reached, "yes" if row.met else "no", row.why) for row in found]
    return table(("measure", "target", "reached", "met", "why not"), rows, texts=range(5))


def detection(title: str, found: dict[str, Detection], pictures: Sequence[str]) -> str:
    """Write the sums of all detectors, and each record of the insights."""
    sums = []
    for name, detector in found.items():
        total = detector.total
        cells = (f"{total.sensitivity:.2f}", f"{total.predictivity:.2f}", f"{total.f1:.2f}")
        sums.append((name, *cells, str(len(total.missed)), str(len(total.wrong)), f"{detector.seconds:.2f}"))
    each = [
        (
            name,
            str(score.found),
            str(len(score.missed)),
            str(len(score.wrong)),
            f"{score.f1:.2f}",
            *_best_library(found, name),
        )
        for name, score in found[OURS].scores.items()
    ]
    parts = [
        f"## {title}\n",
        table(("detector", "Se %", "PPV %", "F1 %", "missed", "wrong", "CPU s"), sums),
        table(("record", "found", "missed", "wrong", "F1 %", "best library's F1 %", "which"), each, texts=(0, 6)),
        *(f"![{path}]({path})\n" for path in pictures),
    ]
    return "\n".join(parts)


def _best_library(found: dict[str, Detection], record: str) -> tuple[str, str]:
    scores = [(detector.scores[record].f1, name) for name, detector in found.items() if not name.startswith("insights")]
    f1, name = max(scores)
    return f"{f1:.2f}", name


def detection_targets(title: str, found: dict[str, Detection], least: float | None) -> list[Target]:
    """Return the targets of a set of records with annotated beats."""
    total = found[OURS].total
    best, name = max((d.total.f1, name) for name, d in found.items() if not name.startswith("insights"))
    rows = [Target(f"{title}: F1", f"at least {best:.2f} ({name})", f"{total.f1:.2f}", total.f1 >= best)]
    if least is not None:
        worst = sorted(found[OURS].scores.items(), key=lambda item: -len(item[1].wrong) - len(item[1].missed))[:2]
        why = "most errors are in " + " and ".join(
            f"{record} ({len(score.missed)} missed, {len(score.wrong)} wrong)" for record, score in worst
        )
        for label, value in (("Se", total.sensitivity), ("PPV", total.predictivity)):
            met = value >= least
            rows.append(Target(f"{title}: {label}", f"at least {least}", f"{value:.2f}", met, "" if met else why))
    return rows


def intervals(found: Sequence[Measured]) -> str:
    """Write errors of intervals in ms, and the records that are furthest off."""
    rows = []
    for name in INTERVALS:
        known = sum(not np.isnan(one.reference[name]) for one in found)
        for label, library in (("insights", False), ("neurokit2, lead II", True)):
            count, mean, deviation, absolute = statistics(one.error(name, library=library) for one in found)
            if count:
                cells = (f"{mean:+.1f}", f"{deviation:.1f}", f"{absolute:.1f}", _IEC[name])
                rows.append((name.upper(), label, f"{known}", f"{known - count}", *cells))
    header = ("interval", "by", "records", "no answer", "mean error", "SD", "MAE", "IEC 60601-2-25 tolerates")
    worst = []
    for name in INTERVALS:
        errors = [(error, one) for one in found if (error := one.error(name)) is not None]
        for error, one in sorted(errors, key=lambda item: -abs(item[0]))[:_WORST]:
            spread = getattr(one.ours, f"{name}_spread_ms")
            worst.append((name.upper(), one.record, f"{one.reference[name]:.0f}", f"{error:+.0f}", f"{spread:.0f}"))
    return "\n".join(
        (
            "## Intervals: LUDB\n",
            "The reference is the median over beats of the median of the twelve leads' marks. All in ms.\n",
            table(header, rows, texts=(0, 1, 7)),
            "The largest errors, with the spread that the insight gives:\n",
            table(("interval", "record", "reference", "error", "spread"), worst, texts=(0,)),
        )
    )


def interval_targets(found: Sequence[Measured]) -> list[Target]:
    """Return the targets of intervals."""
    rows = []
    for name in INTERVALS:
        known = sum(not np.isnan(one.reference[name]) for one in found)
        count, _, deviation, absolute = statistics(one.error(name) for one in found)
        met = absolute <= _MOST[name][0] and deviation <= _MOST[name][1]
        reached = f"{absolute:.1f} and {deviation:.1f}"
        rows.append(Target(f"LUDB: {name.upper()}, MAE and SD in ms", f"at most {_TOLERANCE[name]}", reached, met))
        share = 100 * (known - count) / max(1, known)
        rows.append(Target(f"LUDB: {name.upper()} without an answer", "at most 10 %", f"{share:.1f} %", share <= 10))  # noqa: PLR2004
    worst = max(abs(one.heart_rate_error) for one in found)
    rows.append(Target("LUDB: heart rate of annotated beats", "within 2 bpm", f"{worst:.2f} at most", worst <= 2))  # noqa: PLR2004
    return rows


def swaps(found: dict[str, Swaps]) -> str:
    """Write how swapped arms are noticed."""
    rows = [
        (
            name,
            str(one.told),
            f"{100 * (one.told - len(one.overlooked)) / one.told:.1f}",
            f"{100 * len(one.alarms) / one.told:.1f}",
            ", ".join(one.alarms) or "-",
            ", ".join(one.overlooked) or "-",
            f"{1000 * one.largest_sum:.0f}",
            str(one.not_adding_up),
        )
        for name, one in found.items()
    ]
    header = (
        "set",
        "records",
        "found %",
        "false %",
        "false alarms",
        "overlooked",
        "largest sum of limb leads (uV)",
        "do not add up",
    )
    return "## Swapped arms and limb leads\n\n" + table(header, rows, texts=(0, 4, 5))


def swap_targets(name: str, found: Swaps) -> list[Target]:
    """Return the targets of the check of the arms."""
    seen, alarms = 100 * (1 - len(found.overlooked) / found.told), 100 * len(found.alarms) / found.told
    return [
        Target(f"{name}: swapped arms found", "at least 95 %", f"{seen:.1f} %", seen >= 95),  # noqa: PLR2004
        Target(f"{name}: false alarms", "at most 2 %", f"{alarms:.1f} %", alarms <= 2),  # noqa: PLR2004
    ]
