"""What the tests of the cluster share: it, whole again after each of them, and a user."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.compose.cluster import Cluster
from tests.compose.load import Load


@pytest_asyncio.fixture
async def whole(cluster: Cluster) -> AsyncIterator[Cluster]:
    """The cluster with everything up, which a test may break."""
    yield cluster
    await cluster.up()


@pytest_asyncio.fixture
async def load(cluster: Cluster) -> Load:
    """Clients of a user of their own."""
    return Load(cluster.url, await cluster.pipeline().register("clinic"))
