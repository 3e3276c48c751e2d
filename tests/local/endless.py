"""A test that starts a pipeline and never ends, for `test_lifetime.py` to kill; only found by its name."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

from tests.harness import Pipeline


async def test_that_never_ends(new_pipeline: Callable[..., Pipeline]) -> None:
    pipeline = new_pipeline()
    pipeline.start_gateway()
    pipeline.start_worker()
    await pipeline.ready()
    # In one step: whoever sees the file finds all of it in there.
    partial = Path(os.environ["ECG_TEST_ENDLESS"] + ".partial")
    partial.write_text(str(os.getpid()))
    partial.rename(os.environ["ECG_TEST_ENDLESS"])
    # As a test whose processes take longer to stop than xdist waits: it is ended without its fixtures' clean-up.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipeline.workers[0].running.wait()
