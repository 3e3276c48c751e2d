"""A test that starts a pipeline and never ends, for `test_lifetime.py` to kill; pytest runs it only by its path."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

from tests.support.pipeline import Pipeline


async def test_that_never_ends(new_pipeline: Callable[..., Pipeline]) -> None:
    pipeline = new_pipeline()
    pipeline.start_gateway()
    pipeline.start_worker()
    await pipeline.ready()
    # Renamed, so that the file has its content as soon as it exists.
    partial = Path(os.environ["ECG_TEST_ENDLESS"] + ".partial")
    partial.write_text(str(os.getpid()))
    partial.rename(os.environ["ECG_TEST_ENDLESS"])
    # Like a test with processes that take longer to stop than xdist waits: its fixtures are not cleaned up.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipeline.workers[0].running.wait()
