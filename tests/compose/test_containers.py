"""What the containers of our image may do, and what they hold under the largest ECGs."""

import asyncio
import re
from pathlib import Path

import httpx
import orjson
import pytest

from tests.compose.cluster import Cluster, docker
from tests.support.conditions import eventually
from tests.support.ecgs import insights

pytestmark = pytest.mark.docker

OURS = ("gateway", "stream-agents")
# As many samples of one digit and a comma as fit in the largest submission, of 16 MiB.
_LARGEST = 8_000_000
_LIST = "import os, sys; print(*sorted(name for path in sys.argv[1:] for name in os.listdir(path)))"
_WRITE = "import pathlib, sys; [pathlib.Path(p, 'written').write_text('') for p in sys.argv[1:]]"


async def test_the_image_is_what_runs_and_nothing_else(cluster: Cluster) -> None:
    [gateway, *_] = cluster.containers("gateway")
    assert gateway.python(_LIST, "/app").split() == ["contracts", "ingest_api", "shared", "stream_agents"]
    # What installs and compiles is in another stage.
    tools = gateway.python(_LIST, "/opt/venv/bin", "/usr/local/bin", "/usr/bin").split()
    assert not [tool for tool in tools if re.match(r"pip|easy_install|wheel|gcc|cc$", tool)]


async def test_only_what_the_image_is_made_of_reaches_the_engine(cluster: Cluster) -> None:
    """The folder has secrets, in `.env`: whatever is sent for a build may be kept."""
    assert (cluster.directory / ".env").exists()
    image, dockerfile = f"{cluster.env['ECG_IMAGE']}-context", cluster.directory / "context.Dockerfile"
    dockerfile.write_text("FROM python:3.11-slim\nCOPY . /context\n")
    docker("build", "-q", "-t", image, "-f", str(dockerfile), str(cluster.directory))
    try:
        sent = docker("run", "--rm", image, "ls", "-A", "/context").split()
    finally:
        docker("image", "rm", image)
    assert set(sent) == {"contracts", "ingest_api", "requirements-service.lock", "shared", "stream_agents"}


@pytest.mark.parametrize("service", OURS)
async def test_no_process_is_root_or_may_become_it(cluster: Cluster, service: str) -> None:
    for container in cluster.containers(service):
        status = Path(f"/proc/{container.main_process}/status").read_text()
        told = dict(line.split(":", 1) for line in status.splitlines())
        assert "0" not in told["Uid"].split() + told["Gid"].split()
        assert int(told["CapEff"], 16) == int(told["CapBnd"], 16) == 0
        assert told["NoNewPrivs"].strip() == "1"


@pytest.mark.parametrize(
    ("service", "writable"),
    [("gateway", ["/tmp"]), ("stream-agents", ["/tmp", "/data"])],  # noqa: S108 - the container's own
)
async def test_they_write_nowhere_else(cluster: Cluster, service: str, writable: list[str]) -> None:
    [container, *_] = cluster.containers(service)
    container.python(_WRITE, *writable)
    # Everybody might write to the last one.
    for path in ("/", "/app", "/opt/venv", "/var/tmp"):  # noqa: S108
        with pytest.raises(AssertionError, match="Read-only file system"):
            container.python(_WRITE, path)


async def test_the_largest_ecgs_stay_within_the_limits(cluster: Cluster) -> None:
    body = orjson.dumps({"leads": [{"name": "I", "signal": [1] * _LARGEST}]})
    headers = {"x-user-token": await cluster.pipeline().register("large"), "content-type": "application/json"}
    async with httpx.AsyncClient(base_url=cluster.url, headers=headers, timeout=120) as client:

        async def submit() -> str:
            async def accepted() -> str | None:
                answer = await client.post("/ecgs", content=body)
                assert answer.status_code in (201, 503), answer.text
                return str(answer.json()["id"]) if answer.status_code == 201 else None

            return await eventually(accepted, interval=1, what="a large ECG accepted")

        for _ in range(3):
            for ecg_id in await asyncio.gather(*(submit() for _ in range(6))):
                await insights(client, ecg_id)
            read = await asyncio.gather(*(client.get(f"/ecgs/{ecg_id}") for _ in range(4)))
            assert {answer.status_code for answer in read} <= {200, 503}
    for service in OURS:
        for container in cluster.containers(service):
            found = container.inspect()
            assert found["HostConfig"]["Memory"] > 0
            assert (found["State"]["OOMKilled"], found["RestartCount"]) == (False, 0)
