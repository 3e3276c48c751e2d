"""Fixtures of the cluster's tests: the cluster, which is repaired after each test, and clients of it."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.compose.cluster import Cluster
from tests.compose.load import Load


@pytest_asyncio.fixture
async def whole(cluster: Cluster) -> AsyncIterator[Cluster]:
    """The cluster with everything up, which a test may break."""
    yield cluster
    await cluster.repair()


@pytest_asyncio.fixture
async def load(cluster: Cluster) -> Load:
    """Clients of a user of their own."""
    return Load(cluster.url, await cluster.pipeline().register("clinic"))
