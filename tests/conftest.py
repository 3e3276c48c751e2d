"""Brokers and pipelines for the tests."""

import itertools
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest
import pytest_asyncio
from hypothesis import settings

from local_stack.kafka import Distribution, ToolMissingError, install
from tests.compose.cluster import Cluster, find_engine
from tests.support.brokers import Broker, StartBroker, starter
from tests.support.pipeline import PARTITIONS, Pipeline

# No example may fail for its time: that would be a test of how busy the machine is.
settings.register_profile("any machine", deadline=None)
settings.register_profile("fast", deadline=None, max_examples=20)
settings.load_profile("any machine")
_prefixes = itertools.count()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--broker",
        default="embedded",
        metavar="embedded|kafka|docker|compose|HOST:PORT",
        help="the broker under the pipeline's tests (default: embedded)",
    )


@pytest.fixture(scope="session")
def kafka() -> Distribution:
    """Apache Kafka's jars; without Java or Maven the tests are skipped, except in CI, where they fail."""
    try:
        return install()
    except ToolMissingError as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def start_broker(request: pytest.FixtureRequest) -> StartBroker:
    """A function that starts a broker of the kind chosen for this run."""
    return starter(request.config.getoption("--broker"), lambda: request.getfixturevalue("kafka"))


@pytest_asyncio.fixture(scope="session")
async def broker(start_broker: StartBroker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Broker]:
    """One broker for the whole run, on which every pipeline has topics of its own."""
    broker = await start_broker(tmp_path_factory.mktemp("broker"))
    yield broker
    await broker.stop()


@pytest_asyncio.fixture
async def new_broker(
    start_broker: StartBroker, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Callable[[], Awaitable[Broker]]]:
    """A function that starts brokers for a test to break; they are stopped after the test."""
    started: list[Broker] = []

    async def new() -> Broker:
        started.append(await start_broker(tmp_path_factory.mktemp("broker")))
        return started[-1]

    yield new
    for broker in started:
        await broker.stop()


@pytest.fixture(scope="session")
def bootstrap_servers(broker: Broker) -> str:
    """The address of the run's broker."""
    return broker.bootstrap_servers


@contextmanager
def _pipelines(broker: Broker, directories: pytest.TempPathFactory) -> Iterator[Callable[..., Pipeline]]:
    made: list[Pipeline] = []

    def make(on: Broker = broker, **overrides: str) -> Pipeline:
        # Unique, because a broker that outlives the run has the topics of earlier runs too.
        prefix = f"t{next(_prefixes)}-{uuid.uuid4().hex[:8]}"
        made.append(Pipeline(on, directories.mktemp(prefix), prefix, {"ECG_PARTITIONS": str(PARTITIONS)} | overrides))
        return made[-1]

    yield make
    for pipeline in made:
        pipeline.stop()


@pytest.fixture
def new_pipeline(
    broker: Broker,
    tmp_path_factory: pytest.TempPathFactory,
    new_broker: Callable[[], Awaitable[Broker]],
) -> Iterator[Callable[..., Pipeline]]:
    """A function that makes pipelines; the processes they start are stopped after the test, before its brokers."""
    with _pipelines(broker, tmp_path_factory) as make:
        yield make


@pytest.fixture(scope="module")
def new_module_pipeline(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Pipeline]]:
    """A function that makes pipelines, which are stopped after the last test of the file."""
    with _pipelines(broker, tmp_path_factory) as make:
        yield make


@pytest_asyncio.fixture(scope="session")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """The cluster of docker-compose.yml, built and started without earlier data."""
    find_engine()
    cluster = Cluster(tmp_path_factory.mktemp("compose"))
    await cluster.begin()
    yield cluster
    await cluster.remove()


@pytest_asyncio.fixture(scope="session")
async def processes(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pipeline]:
    """Two gateways and two workers as processes of this machine, on the run's broker."""
    with _pipelines(broker, tmp_path_factory) as make:
        pipeline = make()
        for _ in range(2):
            pipeline.start_gateway()
            pipeline.start_worker()
        await pipeline.ready(workers=2)
        yield pipeline


@pytest.fixture(scope="session")
def pipeline(request: pytest.FixtureRequest) -> Pipeline:
    """The pipeline of all tests that break nothing: `processes`, or the containers with `--broker compose`."""
    if request.config.getoption("--broker") == "compose":
        cluster: Cluster = request.getfixturevalue("cluster")
        return cluster.pipeline()
    processes: Pipeline = request.getfixturevalue("processes")
    return processes
