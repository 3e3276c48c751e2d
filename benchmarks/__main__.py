"""Command line: `python -m benchmarks [PART ...]`; the part `report` only rewrites the report."""

import os

# As in a worker: more threads would count as its CPU time.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import asyncio
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import report, revisions, targets
from benchmarks.compare import ACTIVITIES, Comparison, Variant
from benchmarks.ecgs import LARGE, SMALL
from benchmarks.machine import busy
from benchmarks.run import Figures, Run
from benchmarks.services import ROOT
from local_stack.kafka import install

BUILD = ROOT / "build" / "benchmarks"
DOCUMENT = ROOT / "docs" / "benchmarks.md"
QUICK = BUILD / "quick" / "benchmarks.md"
_INTERRUPTED = 130
_BUSY = 0.1
# Measures nothing: rewrites the report after its texts, such as the reasons in targets.py, have changed.
_REPORT = "report"
# An hour by itself, so it is measured only if it is named, or for some seconds in a quick run.
_LONG = "memory"


def main() -> int:
    """Run the named parts and write the report anew, or compare a revision with the present code."""
    parser = argparse.ArgumentParser(prog="benchmarks", description="The pipeline beside its peers, on Apache Kafka.")
    parser.add_argument(
        "parts",
        nargs="*",
        metavar="PART",
        help=f"{', '.join([*report.PARTS, _REPORT])}; all by default, {_LONG} in a quick run only",
    )
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds; the report goes to build/ only")
    parser.add_argument("--minutes", type=float, default=60, help=f"the length of {_LONG}, by default 60")
    parser.add_argument(
        "--base",
        metavar="REVISION",
        help="write no report, but compare this revision of git with the present code, in the parts "
        f"{', '.join(ACTIVITIES)}",
    )
    arguments = parser.parse_args()
    known = list(ACTIVITIES if arguments.base else [*report.PARTS, _REPORT])
    if unknown := set(arguments.parts) - set(known):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; choose from {', '.join(known)}")
    try:
        if arguments.base:
            asyncio.run(_compare(arguments.parts or known, arguments.base, arguments.quick))
        else:
            parts = arguments.parts or [part for part in report.PARTS if arguments.quick or part != _LONG]
            document = QUICK if arguments.quick else DOCUMENT
            asyncio.run(_measure(parts, document, arguments.quick, arguments.minutes))
            _write(document)
    except revisions.UnknownRevisionError as error:
        parser.error(str(error))
    except (asyncio.CancelledError, KeyboardInterrupt):
        print("Interrupted; what was started has been stopped", file=sys.stderr)
        return _INTERRUPTED
    return 0


async def _measure(parts: Sequence[str], document: Path, quick: bool, minutes: float) -> None:
    _stop_on_sigterm()
    commit = revisions.present()
    for part in (part for part in parts if part != _REPORT):
        begun = time.monotonic()
        with _workspace() as (work, others):
            figures = await report.PARTS[part].run(Run(install(), work, quick, minutes))
        report.save(document.with_suffix(""), part, figures, commit=commit, busy=others)
        print(f"{part} took {time.monotonic() - begun:.0f} s", flush=True)


def _write(document: Path) -> None:
    results = report.load(document.with_suffix(""))
    figures = report.collect(results)
    document.write_text(report.render(figures, results, document.with_suffix("")))
    print(f"Wrote {document.relative_to(ROOT)}")
    if missed := targets.unexplained(figures):
        print("Short without a reason, which belongs in benchmarks/targets.py:", *missed, sep="\n- ")


async def _compare(parts: Sequence[str], base: str, quick: bool) -> None:
    _stop_on_sigterm()
    figures = Figures()
    with revisions.checkout(base) as code:
        variants = (Variant(f"{base} ({revisions.commit(base)})", code), Variant(f"present ({revisions.present()})"))
        comparison = Comparison("base", variants, (SMALL, LARGE), rounds=6)
        for part in parts:
            with _workspace() as (work, _):
                await ACTIVITIES[part](comparison, Run(install(), work, quick), figures)
    print(f"\n{comparison.table(figures)}")


@contextmanager
def _workspace() -> Iterator[tuple[Path, float]]:
    """Yield an empty folder, and the share of the machine that other processes use."""
    work = BUILD / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    if (others := busy()) > _BUSY:
        print(f"Others use {100 * others:.0f} % of the machine: the figures will not be worth much", file=sys.stderr)
    try:
        yield work, others
    finally:
        # Delete the topics' data, which is gigabytes; keep the logs.
        for data in work.rglob("data"):
            shutil.rmtree(data, ignore_errors=True)


def _stop_on_sigterm() -> None:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - the caller is a coroutine in one
    # As for Ctrl-C: every block is left, and stops the processes that it started.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


if __name__ == "__main__":
    sys.exit(main())
