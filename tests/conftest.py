"""Brokers and pipelines for the tests."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio

from local_stack import broker
from local_stack.broker import free_port
from tests.harness import Pipeline, Process

_prefixes = itertools.count()


@pytest.fixture(scope="session")
def bootstrap_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One broker for the whole run; every pipeline has topics of its own on it."""
    port = free_port()
    process = Process("broker", broker.command(port), {}, tmp_path_factory.mktemp("broker") / "broker.log")
    process.start()
    yield f"127.0.0.1:{port}"
    process.stop()


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


@pytest.fixture
def new_broker(new_pipeline: Callable[..., Pipeline]) -> Callable[[], Pipeline]:
    """Make a pipeline on a broker of its own, which a test may break."""

    def make() -> Pipeline:
        pipeline = new_pipeline()
        port = free_port()
        pipeline.bootstrap_servers = f"127.0.0.1:{port}"
        pipeline.broker = Process("broker", broker.command(port), {}, pipeline.directory / "broker.log")
        pipeline.broker.start()
        return pipeline

    return make


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
