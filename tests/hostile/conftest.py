"""A pipeline for the hostile tests alone, because they measure its memory and need low limits."""

from collections.abc import AsyncIterator, Callable

import pytest_asyncio

from local_stack.broker import free_port
from shared.settings import MIB
from tests.support.pipeline import Pipeline

CLIENT_TIMEOUT = 2
MAX_INFLIGHT = 64 * MIB
MAX_UNREAD = 32 * MIB


@pytest_asyncio.fixture(scope="module")
async def target(new_module_pipeline: Callable[..., Pipeline]) -> AsyncIterator[Pipeline]:
    """One gateway and one worker."""
    pipeline = new_module_pipeline(
        ECG_CLIENT_TIMEOUT=str(CLIENT_TIMEOUT),
        ECG_MAX_INFLIGHT_BYTES=str(MAX_INFLIGHT),
        ECG_MAX_UNREAD_BYTES=str(MAX_UNREAD),
        ECG_MAX_STREAMS_PER_USER="4",
    )
    pipeline.forked = False
    pipeline.start_gateway(ECG_METRICS_PORT=str(free_port()))
    pipeline.start_worker()
    await pipeline.ready()
    yield pipeline
