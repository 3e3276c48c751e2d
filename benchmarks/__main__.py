"""Command line: `python -m benchmarks [PART ...] [--quick]`; the part `report` only rewrites the report."""

import os

# As in a worker: more threads would count as its CPU time.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import asyncio
import shutil
import signal
import sys
import time
from pathlib import Path

from benchmarks import report
from benchmarks.machine import busy
from benchmarks.run import Run
from benchmarks.services import ROOT
from local_stack.kafka import install

BUILD = ROOT / "build" / "benchmarks"
DOCUMENT = ROOT / "docs" / "benchmarks.md"
_INTERRUPTED = 130
_BUSY = 0.1
# Measures nothing: rewrites the report after its texts, such as the reasons in targets.py, have changed.
_REPORT = "report"


def main() -> int:
    """Run the named parts, and write the report if all parts have been measured."""
    parser = argparse.ArgumentParser(prog="benchmarks", description="The pipeline beside its peers, on Apache Kafka.")
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"{', '.join([*report.PARTS, _REPORT])}; all by default"
    )
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds; the report goes to build/ only")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - {*report.PARTS, _REPORT}:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    results = BUILD / ("quick" if arguments.quick else "full")
    try:
        asyncio.run(_run(arguments.parts or list(report.PARTS), arguments.quick, results))
    except (asyncio.CancelledError, KeyboardInterrupt):
        print("Interrupted; what was started has been stopped", file=sys.stderr)
        return _INTERRUPTED
    if parts := report.missing(results):
        print(f"No report yet, these parts have not been measured: {', '.join(parts)}")
        return 0
    document = results / "benchmarks.md" if arguments.quick else DOCUMENT
    report.write(results, document)
    print(f"Wrote {document.relative_to(ROOT)}")
    return 0


async def _run(parts: list[str], quick: bool, results: Path) -> None:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - this coroutine runs in one
    # As for Ctrl-C: every block is left, and stops the processes that it started.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    work = BUILD / "work"
    for part in (part for part in parts if part != _REPORT):
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        begun = time.monotonic()
        if (others := busy()) > _BUSY:
            print(
                f"Others use {100 * others:.0f} % of the machine: the figures will not be worth much", file=sys.stderr
            )
        try:
            figures = await report.PARTS[part].run(Run(install(), work, quick))
        finally:
            # Delete the topics' data, which is gigabytes; keep the logs.
            for data in work.rglob("data"):
                shutil.rmtree(data, ignore_errors=True)
        report.save(results, part, figures, others)
        print(f"{part} took {time.monotonic() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
