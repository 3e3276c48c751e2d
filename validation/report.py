"""The page of the validation: targets, sums, and every record."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.markdown import table
from validation.matching import Score
from validation.measure import INTERVALS, OURS, Detection, Measured, Swaps, statistics

_IEC = {"pr": "+-10, SD 10", "qrs": "+-10, SD 10", "qt": "+-25, SD 30"}
_MOST = {"pr": (10.0, 14.0), "qrs": (8.0, 12.0), "qt": (18.0, 30.0)}
_MOST_UNANSWERED = 10.0
_LEAST_FOUND, _MOST_FALSE = 95.0, 2.0
_MOST_BPM = 2.0
# Detections at another sampling rate are those of other samples: the last of a thousand beats may differ.
_SAME = 0.1
_WORST = 10
_MOST_ROWS = 100


@dataclass(frozen=True)
class Target:
    """A target and the value that was reached."""

    name: str
    target: str
    reached: str
    met: bool
    why: str = ""


@dataclass
class Page:
    """The sets that were measured, and what was found."""

    sizes: list[str] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    swaps: dict[str, Swaps] = field(default_factory=dict)

    def text(self) -> str:
        """Return the table of targets and all parts."""
        rows = [(row.name, row.target, row.reached, "yes" if row.met else "**no**", row.why) for row in self.targets]
        targets = table(("measure", "target", "reached", "met", "why not"), rows, texts=range(5))
        parts = [*self.parts, *([swaps(self.swaps)] if self.swaps else ())]
        return "\n".join((f"## Targets\n\n{targets}", *parts))


def not_measured(name: str, folder: str) -> Target:
    """Return the row of a target whose records are not there."""
    return Target(name, "", "not measured", met=False, why=f"the folder has no `{folder}/`")


def detection(title: str, found: Mapping[str, Detection], pictures: Sequence[str]) -> str:
    """Write the sums of all detectors, and each record of the insights."""
    sums = []
    for name, detector in found.items():
        cells = (*_percentages(detector.total), str(len(detector.total.missed)), str(len(detector.total.wrong)))
        sums.append((name, *cells, f"{detector.seconds:.2f}"))
    scores = found[OURS].scores
    shown = sorted(scores) if len(scores) <= _MOST_ROWS else sorted(scores, key=lambda name: scores[name].f1)
    each = [
        (
            name,
            str(scores[name].found),
            str(len(scores[name].missed)),
            str(len(scores[name].wrong)),
            f"{scores[name].f1:.2f}",
            *_best_library(found, name),
        )
        for name in shown[:_MOST_ROWS]
    ]
    parts = [
        f"## {title}\n",
        table(("detector", "Se %", "PPV %", "F1 %", "missed", "wrong", "CPU s"), sums),
        *([f"The {_MOST_ROWS} records with the most errors:\n"] if len(scores) > _MOST_ROWS else []),
        table(("record", "found", "missed", "wrong", "F1 %", "best library's F1 %", "which"), each, texts=(0, 6)),
        *(f"![The ten seconds of the record with the most errors]({path})\n" for path in pictures),
    ]
    return "\n".join(parts)


def _percentages(score: Score) -> tuple[str, str, str]:
    return f"{score.sensitivity:.2f}", f"{score.predictivity:.2f}", f"{score.f1:.2f}"


def _libraries(found: Mapping[str, Detection]) -> dict[str, Detection]:
    return {name: detector for name, detector in found.items() if not name.startswith("insights")}


def _best_library(found: Mapping[str, Detection], record: str) -> tuple[str, str]:
    f1, name = max((detector.scores[record].f1, name) for name, detector in _libraries(found).items())
    return f"{f1:.2f}", name


def detection_targets(
    title: str, found: Mapping[str, Detection], least: float | None, judged: Collection[str] = ()
) -> list[Target]:
    """Return the targets of a set of records with annotated beats: of all of them, or of those to judge by."""

    def total(detector: Detection) -> Score:
        scores = detector.scores
        return sum((scores[name] for name in scores if not judged or name in judged), Score())

    ours = total(found[OURS])
    best, name = max((total(detector).f1, name) for name, detector in _libraries(found).items())
    errors = sorted(found[OURS].scores.items(), key=lambda item: -len(item[1].wrong) - len(item[1].missed))
    why = "most errors are in " + " and ".join(
        f"{record} ({len(score.missed)} missed, {len(score.wrong)} wrong)" for record, score in errors[:2]
    )

    def target(label: str, wanted: str, reached: float, met: bool) -> Target:
        return Target(f"{title}: {label}", wanted, f"{reached:.2f}", met, "" if met else why)

    rows = [target("F1", f"at least {best:.2f} ({name})", ours.f1, ours.f1 >= best)]
    if least is not None:
        rows += [
            target(label, f"at least {least}", value, value >= least)
            for label, value in (("Se", ours.sensitivity), ("PPV", ours.predictivity))
        ]
    return rows


def variants(found: Mapping[str, Score]) -> str:
    """Write the scores of records that were changed in ways that should not matter."""
    rows = [(name, *_percentages(of), str(len(of.missed)), str(len(of.wrong))) for name, of in found.items()]
    text = """The same records in chunks, with another gain, sign and offset, at other sampling rates, and with all
leads but the first flat in every second minute, as when their electrodes are off. The same is tested on synthetic ECGs
of known beats (`tests/unit/test_beats.py`) and intervals (`tests/unit/test_intervals.py`).

"""
    return text + table(("records", "Se %", "PPV %", "F1 %", "missed", "wrong"), rows)


def variant_target(title: str, found: Mapping[str, Score]) -> Target:
    """Return the target that Se and PPV depend on nothing but the signal."""
    plain, *others = found.values()
    changes = {
        name: max(abs(score.sensitivity - plain.sensitivity), abs(score.predictivity - plain.predictivity))
        for name, score in zip(list(found)[1:], others, strict=True)
    }
    worst = max(changes, key=lambda name: changes[name])
    name = f"{title}: Se and PPV with other chunks, gain, sign, offset, rate (125 to 1000 Hz), leads off"
    reached = f"{changes[worst]:.2f} at most ({worst})"
    return Target(name, f"change by less than {_SAME}", reached, changes[worst] < _SAME)


def intervals(found: Sequence[Measured]) -> str:
    """Write errors of intervals in ms, and the records that are furthest off."""
    rows = []
    for name in INTERVALS:
        known = _known(found, name)
        for label, library in (("insights", False), ("neurokit2, lead II", True)):
            count, mean, deviation, absolute = statistics(one.error(name, library=library) for one in found)
            if count:
                cells = (f"{mean:+.1f}", f"{deviation:.1f}", f"{absolute:.1f}", _IEC[name])
                rows.append((name.upper(), label, f"{known}", f"{known - count}", *cells))
    header = ("interval", "by", "records", "no answer", "mean error", "SD", "MAE", "IEC 60601-2-25 tolerates")
    worst = [
        (name.upper(), one.record, f"{one.reference[name]:.0f}", f"{error:+.0f}", f"{_spread(one, name):.0f}")
        for name in INTERVALS
        for error, one in _furthest_off(found, name)[:_WORST]
    ]
    unanswered = [
        (name.upper(), reason, ", ".join(of)) for name in INTERVALS for reason, of in _reasons(found, name).items()
    ]
    return "\n".join(
        (
            "## Intervals: LUDB\n",
            "The reference is the median over beats of the median of the twelve leads' marks. All in ms.\n",
            table(header, rows, texts=(0, 1, 7)),
            "The largest errors, with the spread that the insight gives:\n",
            table(("interval", "record", "reference", "error", "spread"), worst, texts=(0,)),
            "Records with a reference and without an answer, by the reason that the insight gives:\n",
            table(("interval", "reason", "records"), unanswered, texts=range(3)),
        )
    )


def _known(found: Sequence[Measured], name: str) -> int:
    return sum(not np.isnan(one.reference[name]) for one in found)


def _spread(one: Measured, name: str) -> float:
    return float(getattr(one.ours, f"{name}_spread_ms"))


def _furthest_off(found: Sequence[Measured], name: str) -> list[tuple[float, Measured]]:
    errors = [(error, one) for one in found if (error := one.error(name)) is not None]
    return sorted(errors, key=lambda item: -abs(item[0]))


def _reasons(found: Sequence[Measured], name: str) -> dict[str, list[str]]:
    """Return the records that lack an answer, by the reason."""
    reasons: dict[str, list[str]] = {}
    for one in found:
        if not np.isnan(one.reference[name]) and one.error(name) is None:
            reasons.setdefault(one.ours.absent[f"{name}_ms"], []).append(one.record)
    return reasons


def interval_targets(found: Sequence[Measured]) -> list[Target]:
    """Return the targets of intervals."""
    rows = []
    for name in INTERVALS:
        count, _, deviation, absolute = statistics(one.error(name) for one in found)
        met = absolute <= _MOST[name][0] and deviation <= _MOST[name][1]
        furthest = ", ".join(f"{one.record} ({error:+.0f})" for error, one in _furthest_off(found, name)[:3])
        why = "" if met else f"furthest off are {furthest}"
        reached = f"{absolute:.1f} and {deviation:.1f}"
        most = "at most {:.0f} and {:.0f}".format(*_MOST[name])
        rows.append(Target(f"LUDB: {name.upper()}, MAE and SD in ms", most, reached, met, why))
        share = 100 * (1 - count / max(1, _known(found, name)))
        met = share <= _MOST_UNANSWERED
        why = "" if met else "; ".join(f"{len(of)} {reason}" for reason, of in _reasons(found, name).items())
        label = f"LUDB: {name.upper()} without an answer"
        rows.append(Target(label, f"at most {_MOST_UNANSWERED:.0f} %", f"{share:.1f} %", met, why))
    return rows


def rates(title: str, found: Mapping[str, tuple[float, float | None]]) -> str:
    """Write heart rates beside those counted by hand."""
    rows = [
        (record, f"{counted:.1f}", *(("-", "-") if told is None else (f"{told:.1f}", f"{told - counted:+.1f}")))
        for record, (counted, told) in found.items()
    ]
    return f"## Heart rate: {title}\n\n" + table(("record", "counted by hand, bpm", "measured", "error"), rows)


def rate_target(title: str, found: Mapping[str, tuple[float, float | None]]) -> Target:
    """Return the target of the heart rate."""
    errors = {record: np.inf if told is None else abs(told - counted) for record, (counted, told) in found.items()}
    name = f"{title}: heart rate of {len(found)} normal records counted by hand"
    if not errors:
        return not_measured(name, "ptbxl")
    worst = max(errors, key=lambda record: errors[record])
    met = errors[worst] <= _MOST_BPM
    return Target(name, f"within {_MOST_BPM:.0f} bpm", f"{errors[worst]:.1f} bpm at most", met, "" if met else worst)


def swaps(found: Mapping[str, Swaps]) -> str:
    """Write how swapped arms are noticed."""
    rows = [
        (
            name,
            str(one.records),
            f"{one.found_percent:.1f}",
            f"{one.false_percent:.1f}",
            *(", ".join(records) or "-" for records in (one.alarms, one.overlooked, one.untold)),
            f"{1000 * one.largest_sum:.0f}",
            str(one.not_adding_up),
        )
        for name, one in found.items()
    ]
    header = (
        *("set", "records", "found %", "false %", "false alarms", "overlooked", "no answer"),
        *("largest sum of limb leads (uV)", "do not add up"),
    )
    text = "Each record as it is, and with the leads that it would have with the electrodes of both arms swapped.\n\n"
    return "## Swapped arms and limb leads\n\n" + text + table(header, rows, texts=(0, 4, 5, 6))


def swap_targets(name: str, found: Swaps) -> list[Target]:
    """Return the targets of the check of the arms."""
    seen, alarms = found.found_percent, found.false_percent
    overlooked = f"{len(found.overlooked)} overlooked, {len(found.untold)} without an answer"
    enough, few = seen >= _LEAST_FOUND, alarms <= _MOST_FALSE
    least, most = f"at least {_LEAST_FOUND:.0f} %", f"at most {_MOST_FALSE:.0f} %"
    return [
        Target(f"{name}: swapped arms found", least, f"{seen:.1f} %", enough, "" if enough else overlooked),
        Target(f"{name}: false alarms", most, f"{alarms:.1f} %", few, "" if few else ", ".join(found.alarms)),
    ]
