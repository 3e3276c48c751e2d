"""Run everything on the sets of a folder and write docs/validation.md."""

import argparse
import sys
import time
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from validation import drawing, measure, records, report
from validation.hand_counts import HEART_RATES
from validation.libraries import DETECTORS, delineated
from validation.measure import OURS
from validation.records import Record

_PAGE = Path("docs/validation.md")
_PICTURES = Path("docs/validation")
_WORST = 3
_INTRODUCTION = """# Validation of the insights

Insights are measurements with their uncertainty, for people who can judge them. They are not a diagnosis.

Made by `make validate DATA=folder` on the records that the folder has: {held}. Beats match within 150 ms, one to one
(EC57, IEC 60601-2-47); all beats of a record count, from its first second, without episodes of ventricular flutter.
Other libraries take one lead, the first. CPU seconds are of one process, all detectors one after the other on the same
machine: compare them with each other only.

"""


@dataclass(frozen=True)
class BeatSet:
    """A set of records with annotated beats, and its targets.

    Attributes:
        title: in the page.
        least: the sensitivity and predictivity to reach in per cent, or None if only the libraries are to be reached.
        judged: the records that the targets are about, or all if empty.
        with_variants: True to look at the records changed in ways that should not matter.
    """

    title: str
    least: float | None = None
    judged: frozenset[str] = frozenset()
    with_variants: bool = False


_BEAT_SETS: Mapping[str, BeatSet] = {
    "mitdb": BeatSet("MIT-BIH Arrhythmia Database", 99.8, with_variants=True),
    "nstdb": BeatSet("Noise Stress Test 118e00", judged=frozenset({"118e00"})),
    "cpsc2019": BeatSet("CPSC2019"),
}
_SETS = (*_BEAT_SETS, "ludb", "ptbxl")


def main() -> None:
    """Measure the sets that were asked for, or all that are there."""
    parser = argparse.ArgumentParser(prog="make validate", description=__doc__)
    parser.add_argument("data", type=Path, help="folder with " + ", ".join(_SETS))
    parser.add_argument("sets", nargs="*", help="only these")
    arguments = parser.parse_args()
    held = [name for name in arguments.sets or _SETS if (arguments.data / name).is_dir()]
    if not held:
        sys.exit(f"{arguments.data} holds none of {', '.join(_SETS)}")
    warnings.simplefilter("ignore")
    page = report.Page()
    for name, beat_set in _BEAT_SETS.items():
        if name in held:
            _beats(page, _records(name, arguments.data / name), beat_set)
        else:
            page.targets.append(report.not_measured(f"{beat_set.title}: F1", name))
    if "ludb" in held:
        _ludb(page, arguments.data / "ludb")
    else:
        page.targets.append(report.not_measured("LUDB: PR, QRS, QT", "ludb"))
    if "ptbxl" in held:
        _ptbxl(page, arguments.data / "ptbxl")
    else:
        page.targets.append(report.not_measured("PTB-XL: swapped arms, heart rate", "ptbxl"))
    introduction = _INTRODUCTION.format(held=", ".join(page.sizes))
    _PAGE.write_text(introduction + page.text(), encoding="utf-8")
    _say("", end=f"Written: {_PAGE}\n")


def _records(name: str, folder: Path) -> list[Record]:
    return list(records.cpsc2019(folder) if name == "cpsc2019" else records.rhythm_records(folder))


def _beats(page: report.Page, every: list[Record], beat_set: BeatSet) -> None:
    detected = measure.detect(every, DETECTORS, _say)
    pictures = _pictures(every, detected[OURS])
    page.sizes.append(f"{len(every)} of {beat_set.title}")
    page.targets += report.detection_targets(beat_set.title, detected, beat_set.least, beat_set.judged)
    page.parts.append(report.detection(beat_set.title, detected, pictures))
    if beat_set.with_variants:
        found = measure.variants(every, _say)
        page.targets.append(report.variant_target(beat_set.title, found))
        page.parts.append(report.variants(found))


def _pictures(every: Iterable[Record], ours: measure.Detection) -> list[str]:
    """Draw the worst records, and return the pictures' paths within the page's folder."""
    worst = sorted(every, key=lambda record: ours.scores[record.name].f1)[:_WORST]
    for record in worst:
        path = _PICTURES / f"{record.name}.svg"
        drawing.draw(record, ours.beats[record.name], ours.scores[record.name], path)
    return [f"{_PICTURES.name}/{record.name}.svg" for record in worst]


def _ludb(page: report.Page, folder: Path) -> None:
    measured = measure.measure(records.ludb(folder), delineated, _say)
    page.sizes.append(f"{len(measured)} of LUDB")
    page.targets += report.interval_targets(measured)
    page.parts.append(report.intervals(measured))
    page.swaps["LUDB"] = measure.swaps((record for record, _ in records.ludb(folder)), _say)


def _ptbxl(page: report.Page, folder: Path) -> None:
    found = measure.swaps(records.ptbxl(folder), _say)
    page.swaps["PTB-XL"] = found
    page.sizes.append(f"{found.records} of PTB-XL")
    page.targets += report.swap_targets("PTB-XL", found)
    rates = measure.rates(records.ptbxl(folder), HEART_RATES, _say)
    page.targets.append(report.rate_target("PTB-XL", rates))
    page.parts.append(report.rates("PTB-XL", rates))


def _say(name: str, end: str = "") -> None:
    """Show progress on one line of a terminal."""
    sys.stderr.write(f"\r\x1b[K{time.strftime('%H:%M:%S')} {name}{end}" if sys.stderr.isatty() else f"{name} {end}")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
