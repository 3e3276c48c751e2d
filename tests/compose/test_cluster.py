"""The cluster of docker-compose.yml while it is scaled, broken, stopped, updated and started again."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from shared.settings import Settings
from tests.compose.cluster import KAFKA, Cluster, Container, docker
from tests.compose.load import Load
from tests.support.compose_file import PASSED
from tests.support.conditions import eventually

pytestmark = pytest.mark.docker

PARTITIONS = Settings.model_fields["partitions"].default
# What the engine waits for until it kills, where the file says nothing else.
_GRACE = 10.0
_KILLED = 137


def updated(cluster: Cluster) -> set[str]:
    """Return the ids of the containers that an update replaces."""
    return {container.id for service in ("gateway", "stream-agents") for container in cluster.containers(service)}


async def everyone_works(cluster: Cluster) -> bool | None:
    """Return True if every gateway has accepted something, and the workers serve every partition once."""
    gateways, workers = cluster.containers("gateway"), cluster.containers("stream-agents")
    # In threads, so that the load goes on meanwhile.
    found = await asyncio.gather(*(asyncio.to_thread(container.metrics) for container in gateways + workers))
    accepted = [metrics("ecg_gateway_publish_duration_seconds_count") for metrics in found[: len(gateways)]]
    served = [metrics("ecg_worker_partitions", role="active") for metrics in found[len(gateways) :]]
    print(f"accepted by each gateway: {accepted}; partitions of each worker: {served}")
    return (all(accepted) and all(served) and sum(served) == PARTITIONS) or None


async def restarted(cluster: Cluster, service: str) -> None:
    """Crash one container of a service, and return when the engine has it healthy again."""
    container = cluster.containers(service)[0]
    before = container.inspect()["RestartCount"]
    container.crash()

    async def probe() -> bool | None:
        return container.inspect()["RestartCount"] == before + 1 or None

    await eventually(probe, what=f"{service} started again")
    await cluster.healthy(container)


async def stopped(container: Container) -> None:
    """Stop a gateway or a worker; it must end by itself in time."""
    began = time.monotonic()
    await asyncio.to_thread(docker, "stop", container.id)
    # The engine kills a process that takes longer. Ours end with 0, if the signal reached them.
    assert (container.state["ExitCode"], time.monotonic() - began < _GRACE) == (0, True)


async def test_everything_is_healthy_and_topics_were_created_once(cluster: Cluster) -> None:
    for service, count in {"proxy": 1, "gateway": 2, "stream-agents": 3, **dict.fromkeys(KAFKA, 1)}.items():
        containers = cluster.containers(service)
        assert [container.health for container in containers] == ["healthy"] * count
        assert all(container.inspect()["RestartCount"] == 0 for container in containers)
    [topics] = cluster.containers("topics")
    assert (topics.state["Status"], topics.state["ExitCode"]) == ("exited", 0)


async def test_it_is_scaled_up_and_down_without_an_error(whole: Cluster, load: Load) -> None:
    async with load:
        await whole.up("--no-recreate", "--scale", "gateway=3", "--scale", "stream-agents=5")
        assert [len(whole.containers(service)) for service in ("gateway", "stream-agents")] == [3, 5]
    # With new connections, of which the new gateway gets some.
    async with load:
        await eventually(lambda: everyone_works(whole), interval=1, what="a share for every gateway and worker")
        await whole.up("--no-recreate", "--scale", "gateway=2", "--scale", "stream-agents=3")
        assert [len(whole.containers(service)) for service in ("gateway", "stream-agents")] == [2, 3]
    assert load.failures == []
    await load.all_have_insights()


@pytest.mark.parametrize("service", ["gateway", "stream-agents", "kafka-1", "proxy"])
async def test_what_crashes_is_started_again_and_nothing_is_lost(whole: Cluster, load: Load, service: str) -> None:
    async with load:
        await restarted(whole, service)
    await load.all_have_insights()


async def test_a_stop_ends_by_itself_while_kafka_is_paused_or_stopped(whole: Cluster) -> None:
    pairs = zip(whole.containers("gateway"), whole.containers("stream-agents"), strict=False)
    await whole.pause(*KAFKA)
    try:
        await asyncio.gather(*map(stopped, next(pairs)))
    finally:
        await whole.compose("unpause", *KAFKA)
    # Without the time that the last node waits for the others, which are gone.
    await whole.compose("stop", "--timeout", "3", *KAFKA)
    try:
        await asyncio.gather(*map(stopped, next(pairs)))
    finally:
        await whole.compose("start", *KAFKA)


async def test_a_proxy_that_stops_lets_a_submission_end(whole: Cluster) -> None:
    """It takes longer than a container usually has to stop."""
    start, end = b'{"leads": [{"name": "I", "signal": [1, -1', b"]}]}"
    pause, pieces = b" " * 4096, 12
    began = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield start
        for _ in range(pieces):
            yield pause
            began.set()
            await asyncio.sleep(1)
        yield end

    headers = {
        "x-user-token": await whole.pipeline().register("slow"),
        "content-type": "application/json",
        "content-length": str(len(start) + pieces * len(pause) + len(end)),
    }
    async with httpx.AsyncClient(base_url=whole.url, headers=headers, timeout=60) as client:
        submission = asyncio.create_task(client.post("/ecgs", content=slowly()))
        await began.wait()
        [proxy] = whole.containers("proxy")
        await asyncio.to_thread(docker, "stop", proxy.id)
        assert (await submission).status_code == 201
    assert proxy.state["ExitCode"] != _KILLED


async def test_a_node_of_kafka_stops_by_itself(whole: Cluster) -> None:
    [node] = whole.containers("kafka-1")
    await asyncio.to_thread(docker, "stop", node.id)
    assert node.state["ExitCode"] != _KILLED


async def test_a_frozen_node_loses_nothing(whole: Cluster, load: Load) -> None:
    async with load:
        await whole.pause("kafka-2")
        try:
            await asyncio.sleep(15)
        finally:
            await whole.compose("unpause", "kafka-2")
    await load.all_have_insights()


async def test_health_checks_tell_the_truth(whole: Cluster, load: Load) -> None:
    """Processes without a broker, and a worker that has not recovered, are not healthy; afterwards they are."""
    running = [whole.containers(service)[0] for service in ("gateway", "stream-agents")]

    async def ill() -> bool | None:
        return {container.health for container in running} == {"unhealthy"} or None

    await whole.pause(*KAFKA)
    try:
        await eventually(ill, timeout=120, interval=1, what="a gateway and a worker that are not healthy")
        await whole.compose("up", "-d", "--no-deps", "--no-recreate", "--scale", "stream-agents=4", "stream-agents")
        new = whole.containers("stream-agents")[0]

        async def checked() -> bool | None:
            assert new.health != "healthy"
            return len(new.state["Health"]["Log"] or ()) > 1 or None

        await eventually(checked, interval=0.5, what="two checks of a worker that has not recovered")
    finally:
        await whole.compose("unpause", *KAFKA)
    for container in (*whole.containers("gateway"), *whole.containers("stream-agents")):
        await whole.healthy(container)
    async with load:
        pass
    await load.all_have_insights()


async def test_an_update_fails_no_request(whole: Cluster, load: Load) -> None:
    before = updated(whole)
    for package in ("ingest_api", "stream_agents"):
        with (whole.directory / package / "__init__.py").open("a") as file:
            file.write("# changed\n")
    # Compose itself would replace both gateways at the same time.
    async with load:
        await whole.compose("build")
        doubled = ("--scale", "gateway=4", "--scale", "stream-agents=6")
        await whole.up("--no-recreate", *doubled)
        # The old ones are replaced while the new ones serve.
        await whole.up(*doubled)
        await whole.up()
    assert not before & updated(whole)
    assert load.failures == []
    await load.all_have_insights()


async def test_down_and_up_keep_everything_and_without_volumes_nothing(whole: Cluster, load: Load) -> None:
    async with load:
        pass
    await load.all_have_insights()
    ours = [*whole.containers("gateway"), *whole.containers("stream-agents")]
    [proxy] = whole.containers("proxy")
    await whole.compose("stop", "proxy", "gateway", "stream-agents")
    assert {container.state["ExitCode"] for container in ours} == {0}
    assert proxy.state["ExitCode"] != _KILLED
    await whole.compose("down")
    assert not whole.containers("gateway")
    await whole.up()
    await load.all_have_insights()
    await whole.compose("down", "--volumes", "--timeout", "1")
    assert docker("volume", "ls", "-q", "--filter", f"label=com.docker.compose.project={whole.project}") == ""
    await whole.up()
    async with httpx.AsyncClient(
        base_url=whole.url, headers={"x-user-token": await whole.pipeline().register("clinic")}
    ) as client:
        assert (await client.get("/ecgs")).json()["ecgs"] == []
        # The id itself proves that it was issued to this user; the ECG is not there.
        assert (await client.get(f"/ecgs/{load.accepted[0]}/insights")).status_code == 202


@pytest.mark.parametrize("name", ["ECG_SECRET", "ECG_ADMIN_TOKEN"])
async def test_a_missing_secret_is_said_by_name(cluster: Cluster, tmp_path: Path, name: str) -> None:
    left = {other: value for other, value in cluster.env.items() if other != name}
    (tmp_path / ".env").write_text("".join(f"{other}={value}\n" for other, value in left.items()))
    with pytest.raises(AssertionError, match=f"copy .env.example to .env and fill in {name}"):
        await cluster.compose("--env-file", str(tmp_path / ".env"), "up", "-d")


async def test_every_setting_of_the_env_file_reaches_the_containers(cluster: Cluster, tmp_path: Path) -> None:
    given = {**cluster.env, **{name: f"the value of {name}" for name in PASSED}}
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in given.items()))
    read = await cluster.compose("--env-file", str(tmp_path / ".env"), "config", "--format", "json")
    for service in ("topics", "gateway", "stream-agents"):
        environment = json.loads(read)["services"][service]["environment"]
        assert {name: environment[name] for name in PASSED} == {name: given[name] for name in PASSED}
        assert environment["ECG_HTTP_PORT"] == "8000"


async def test_a_setting_of_the_env_file_takes_effect_and_without_one_the_default_does(
    whole: Cluster, load: Load
) -> None:
    program = "from shared.settings import Settings; print(Settings().keep_alive, Settings().log_format)"
    [gateway, *_] = whole.containers("gateway")
    assert gateway.python(program).split() == ["15.0", "json"]
    whole.write_env(ECG_KEEP_ALIVE="7", ECG_LOG_FORMAT="logfmt", ECG_QUERY_TIMEOUT="")
    try:
        await whole.up()
        for gateway in whole.containers("gateway"):
            assert gateway.python(program).split() == ["7.0", "logfmt"]
        async with load:
            pass
    finally:
        whole.write_env()
