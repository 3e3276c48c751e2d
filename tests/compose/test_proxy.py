"""The proxy: large bodies pass unchanged, wrong tokens count for the address of their client, and it can speak TLS."""

import ssl
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from local_stack.certificates import Authority
from shared.settings import Settings
from tests.compose.cluster import Cluster, Container, docker
from tests.support.conditions import eventually
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


async def test_clients_are_served_over_tls_and_the_certificate_is_renewed_without_a_restart(
    whole: Cluster, tmp_path: Path
) -> None:
    certificates = whole.directory / "certificates"
    certificates.mkdir()

    def install(name: str) -> ssl.SSLContext:
        """Install a certificate of a new authority, which only root can read; return what trusts nothing else."""
        authority = Authority.make(tmp_path / name)
        certificate, key = authority.issue("proxy")
        (certificates / "new.pem").write_text(certificate.read_text() + key.read_text())
        (certificates / "new.pem").chmod(0o600)
        (certificates / "new.pem").rename(certificates / "server.pem")
        return ssl.create_default_context(cafile=authority.certificate)

    token = await whole.pipeline().register("remote")

    async def submits(trusted: ssl.SSLContext) -> bool | None:
        headers = {"x-user-token": token}
        async with httpx.AsyncClient(base_url=whole.https, headers=headers, verify=trusted, timeout=30) as client:
            try:
                answer = await client.post("/ecgs", json={"leads": [{"name": "I", "signal": [1, -1]}]})
            except httpx.ConnectError:
                return None
            assert answer.status_code == 201, answer.text
            [lead] = await insights(client, answer.json()["id"])
        assert lead["number_of_zero_crossings"] == 1
        return True

    first = install("first")
    files = ("docker-compose.yml", "docker-compose.override.yml", "docker-compose.tls.yml")
    await whole.compose(*(argument for file in files for argument in ("-f", file)), "up", "-d", "--wait", "proxy")
    assert await submits(first)
    [proxy] = whole.containers("proxy")
    # The process that faces clients is not root; the one above it reads certificates.
    users = docker("exec", proxy.id, "sh", "-c", "cat /proc/[0-9]*/status | grep -E '^(Name|Uid)'").split("Name:")
    serving = [status.split()[2] for status in users if status.split()[:1] == ["haproxy"]]
    assert sorted(uid == "0" for uid in serving) == [False, True]
    second = install("second")
    docker("exec", proxy.id, "sh", "-c", "kill -HUP 1")
    await eventually(lambda: submits(second), interval=0.5, what="the new certificate")
    assert await submits(first) is None
    assert proxy.inspect()["RestartCount"] == 0
