"""Run everything on the sets of a folder and write docs/validation.md."""

import argparse
import sys
import time
import warnings
from pathlib import Path

from validation import drawing, measure, records, report
from validation.measure import OURS

_PAGE = Path("docs/validation.md")
_PICTURES = Path("docs/validation")
_SETS = ("mitdb", "nstdb", "ludb", "ptbxl")
_WORST = 3
_INTRODUCTION = """# Validation of the insights

Insights are measurements with their uncertainty, for people who can judge them. They are no diagnosis.

Made by `make validate DATA=folder` on the records that the folder holds: {held}. Beats match within 150 ms, one to one
(EC57, IEC 60601-2-47); all beats of a record count, from its first second, without episodes of ventricular flutter.
Other libraries take one lead, the first. CPU seconds are of one process, all detectors one after the other on the same
machine: compare them with each other only.

That results depend neither on chunks, gain, offset and sign nor on the sampling rate (125 to 1000 Hz) is tested on
synthetic ECGs of known beats and intervals: `tests/unit/test_beats.py`, `tests/unit/test_intervals.py`.

"""


def main() -> None:
    """Measure the sets that were asked for, or all that are there."""
    parser = argparse.ArgumentParser(prog="make validate", description=__doc__)
    parser.add_argument("data", type=Path, help="folder with " + ", ".join(_SETS))
    parser.add_argument("sets", nargs="*", help="only these")
    arguments = parser.parse_args()
    held = [name for name in arguments.sets or _SETS if (arguments.data / name).is_dir()]
    if not held:
        sys.exit(f"{arguments.data} holds none of {', '.join(_SETS)}: see PhysioNet for them")
    warnings.simplefilter("ignore")
    found: list[report.Target] = []
    parts: list[str] = []
    sizes: list[str] = []
    for name, title, least in (("mitdb", "MIT-BIH Arrhythmia Database", 99.8), ("nstdb", "Noise Stress Test", None)):
        if name in held:
            size, targets, part = _beats(arguments.data / name, title, least)
            sizes.append(f"{size} of {title}")
            found += targets
            parts.append(part)
    checked: dict[str, measure.Swaps] = {}
    if "ludb" in held:
        measured = measure.measure(records.ludb(arguments.data / "ludb"), _say, beside=True)
        sizes.append(f"{len(measured)} of LUDB")
        found += report.interval_targets(measured)
        parts.append(report.intervals(measured))
        checked["LUDB"] = measure.swaps((record for record, _ in records.ludb(arguments.data / "ludb")), _say)
    if "ptbxl" in held:
        checked["PTB-XL"] = measure.swaps(records.ptbxl(arguments.data / "ptbxl"), _say)
        sizes.append(f"{checked['PTB-XL'].records} of PTB-XL")
        found += report.swap_targets("PTB-XL", checked["PTB-XL"])
    if checked:
        parts.append(report.swaps(checked))
    text = _INTRODUCTION.format(held=", ".join(sizes)) + report.targets(found) + "\n" + "\n".join(parts)
    _PAGE.write_text(text, encoding="utf-8")
    _say("", end=f"Written: {_PAGE}\n")


def _beats(folder: Path, title: str, least: float | None) -> tuple[int, list[report.Target], str]:
    every = list(records.rhythm_records(folder))
    detected = measure.detect(every, _say)
    ours = detected[OURS]
    worst = sorted(every, key=lambda record: ours.scores[record.name].f1)[:_WORST]
    pictures = []
    for record in worst:
        path = _PICTURES / f"{record.name}.svg"
        drawing.draw(record, ours.beats[record.name], ours.scores[record.name], path)
        pictures.append(f"{_PICTURES.name}/{record.name}.svg")
    return len(every), report.detection_targets(title, detected, least), report.detection(title, detected, pictures)


def _say(name: str, end: str = "") -> None:
    """Show progress on one line of a terminal."""
    sys.stderr.write(f"\r\x1b[K{time.strftime('%H:%M:%S')} {name}{end}" if sys.stderr.isatty() else f"{name} {end}")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
