"""The proxy: what goes through it whole, and whose wrong tokens count for whom."""

import httpx
import pytest
from pydantic import SecretStr

from shared.settings import Settings
from tests.compose.cluster import Cluster, Container
from tests.support.ecgs import crossings, insights
from tests.support.pipeline import SECRET

pytestmark = pytest.mark.docker

SIGNAL = [1, 0, -1, 0, 1, 0, 0, 1] * 100_000
# Asks so many times with a token, and prints the status codes.
_ASK = """
import sys, urllib.error, urllib.request as u
count, token, forwarded = sys.argv[1:]
headers = {"x-user-token": token, **({"x-forwarded-for": forwarded} if forwarded else {})}
for _ in range(int(count)):
    try:
        print(u.urlopen(u.Request("http://proxy:8000/ecgs", headers=headers)).status)
    except urllib.error.HTTPError as error:
        print(error.code)
"""


def statuses(container: Container, count: int, token: str, forwarded: str = "") -> set[str]:
    """Ask the proxy from a container, which has an address of its own."""
    return set(container.python(_ASK, str(count), token, forwarded).split())


async def test_a_large_submission_and_its_insights_go_through_it(cluster: Cluster) -> None:
    pipeline = cluster.pipeline()
    async with pipeline.client(token=await pipeline.register("holter")) as client:
        answer = await client.post("/ecgs", json={"leads": [{"name": "I", "signal": SIGNAL}]})
        assert answer.status_code == 201, answer.text
        [lead] = await insights(client, answer.json()["id"])
    assert lead["number_of_zero_crossings"] == crossings(SIGNAL)


async def test_what_a_gateway_refuses_early_is_its_answer(cluster: Cluster) -> None:
    headers = {"x-user-token": await cluster.pipeline().register("too large"), "content-type": "application/json"}
    async with httpx.AsyncClient(base_url=cluster.url, headers=headers, timeout=30) as client:
        assert (await client.post("/ecgs", content=b" " * (17 << 20))).status_code == 413


async def test_wrong_tokens_count_for_the_address_that_they_come_from(cluster: Cluster) -> None:
    limit = len(cluster.containers("gateway")) * Settings(secret=SecretStr(SECRET)).auth_failures_per_minute
    guesser, other, *_ = cluster.containers("stream-agents")
    token = await cluster.pipeline().register("innocent")
    assert statuses(guesser, 2 * limit, "wrong") == {"401", "429"}
    # Whatever it says of its own address; and whoever has a token is served from there too.
    assert "429" in statuses(guesser, 10, "wrong", "192.0.2.1")
    assert statuses(other, 10, "wrong") == {"401"}
    assert statuses(guesser, 10, token) == {"200"}
