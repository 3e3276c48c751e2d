"""Brokers and pipelines for the tests."""

import itertools
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
import pytest_asyncio

from local_stack.kafka import Distribution, ToolMissingError, install
from tests.brokers import Broker, starter
from tests.harness import Pipeline

_prefixes = itertools.count()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--broker",
        default="embedded",
        metavar="embedded|kafka|docker|HOST:PORT",
        help="the broker under the pipeline's tests (default: embedded)",
    )


@pytest.fixture(scope="session")
def kafka() -> Distribution:
    """Apache Kafka's jars; a machine that cannot have them skips, CI fails."""
    try:
        return install()
    except ToolMissingError as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))


@pytest_asyncio.fixture(scope="session")
async def new_broker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Callable[[], Awaitable[Broker]]]:
    """Start brokers; each runs until the end, so that what a test broke can be looked at."""
    start = starter(request.config.getoption("--broker"), lambda: request.getfixturevalue("kafka"))
    started: list[Broker] = []

    async def new() -> Broker:
        started.append(await start(tmp_path_factory.mktemp("broker")))
        return started[-1]

    yield new
    for broker in started:
        await broker.stop()


@pytest_asyncio.fixture(scope="session")
async def broker(new_broker: Callable[[], Awaitable[Broker]]) -> Broker:
    """One broker for the whole run; every pipeline has topics of its own on it."""
    return await new_broker()


@pytest.fixture(scope="session")
def bootstrap_servers(broker: Broker) -> str:
    """Where the run's broker is."""
    return broker.bootstrap_servers


@pytest.fixture(scope="session")
def new_pipeline(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Pipeline]]:
    """Make pipelines without processes; whatever they started is stopped at the end."""
    made: list[Pipeline] = []

    def make(on: Broker = broker, **overrides: str) -> Pipeline:
        # A broker that stays has the topics of earlier runs too.
        prefix = f"t{next(_prefixes)}-{uuid.uuid4().hex[:8]}"
        made.append(Pipeline(on, tmp_path_factory.mktemp(prefix), prefix, overrides))
        return made[-1]

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
