"""Run a worker: `python -m stream_agents`."""

import os

# NumPy's linear algebra would start a thread for each core, and computes too little in a worker to gain from them.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import fcntl
import sys
from pathlib import Path
from typing import TextIO

import structlog
from typing_extensions import override

from shared import logging_setup
from shared.deadline import end_in_time, ignore_signals, stop_at_once
from shared.kafka import topics
from shared.malloc import keep_freed
from shared.settings import MIB, settings_or_exit
from stream_agents.app import create_app
from stream_agents.faust_fixes.worker import Worker

logger = structlog.get_logger(__name__)

_DIRECTORY_IN_USE = 2
# A fetch is up to a MiB of each partition, and memory of this size is needed for every fetch.
_LARGEST_KEPT = 32 * MIB


def main() -> None:
    """Run a worker until SIGINT or SIGTERM."""
    settings = settings_or_exit()
    logging_setup.configure(settings.log_level, settings.log_format)
    stop_at_once()
    keep_freed(_LARGEST_KEPT)
    lock = _lock(settings.data_dir)
    topics.prepare_or_exit(settings)
    worker = _Worker(create_app(settings), quiet=True, override_logging=False, redirect_stdouts=False)
    # The spinner would write between the lines of the log, even without a terminal.
    worker.spinner = None
    try:
        worker.execute_from_commandline()
    finally:
        lock.close()


class _Worker(Worker):
    """A worker with a deadline for its stop, whatever it waits for: stored results are durable already."""

    @override
    async def stop(self) -> None:
        """Stop, by the deadline and regardless of further signals."""
        logger.info("stopping")
        end_in_time(lambda: 1 if self.app.crash_reason else 0)
        ignore_signals()
        await super().stop()


def _lock(directory: Path) -> TextIO:
    """Lock a worker's directory and return the lock; exit if another worker holds it."""
    directory.mkdir(parents=True, exist_ok=True)
    lock = (directory / "worker.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        logger.error(
            "another worker uses this directory: give each its own with ECG_DATA_DIR", directory=str(directory)
        )
        sys.exit(_DIRECTORY_IN_USE)
    return lock


if __name__ == "__main__":
    main()
