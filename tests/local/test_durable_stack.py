"""The runner on Apache Kafka: users, ECGs and insights survive a stop and a crash."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from local_stack.broker import free_port
from local_stack.freezing import freeze
from local_stack.kafka import Distribution
from tests.support.ecgs import crossings, insights
from tests.support.process import Process
from tests.support.runner import all_gone, children, command_of, exited, ready

pytestmark = pytest.mark.kafka


@dataclass
class Run:
    """A runner that is ready, with its address and admin token."""

    process: Process
    url: str
    admin_token: str

    def client(self, token: str = "") -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, headers={"x-user-token": token}, timeout=30)

    async def register(self, username: str) -> str:
        async with self.client() as client:
            answer = await client.post(
                "/users", json={"username": username}, headers={"x-admin-token": self.admin_token}
            )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    async def submit(self, token: str, ecgs: int, key: str = "") -> dict[str, list[int]]:
        """Submit ECGs at the same time, and return their signals by id."""
        signals = [[1, -1] * (i + 1) for i in range(ecgs)]
        async with self.client(token) as client:
            answers = await asyncio.gather(
                *(
                    client.post(
                        "/ecgs",
                        json={"leads": [{"name": "I", "signal": signal}]},
                        headers={"idempotency-key": f"{key}{i}"} if key else {},
                    )
                    for i, signal in enumerate(signals)
                )
            )
        assert {answer.status_code for answer in answers} == {201}
        return {answer.json()["id"]: signal for answer, signal in zip(answers, signals, strict=True)}

    async def assert_finished(self, token: str, ecgs: dict[str, list[int]]) -> None:
        async with self.client(token) as client:
            for ecg_id, signal in ecgs.items():
                expected = [{"name": "I", "number_of_zero_crossings": crossings(signal)}]
                assert await insights(client, ecg_id) == expected

    def pid(self, what: str) -> int:
        [pid] = [pid for pid in children(self.process.running.pid) if what in command_of(pid)]
        return pid


Start = Callable[[], Awaitable[Run]]


@pytest.fixture
def start(kafka: Distribution, tmp_path: Path) -> Iterator[Start]:
    """A function that starts a runner; each call uses the same data and ports."""
    env = {
        "ECG_HTTP_PORT": str(free_port()),
        "ECG_BROKER_PORT": str(free_port()),
        "ECG_DATA_DIR": str(tmp_path / "data"),
    }
    started: list[Process] = []

    async def start() -> Run:
        command = [sys.executable, "-m", "local_stack", "up", "--broker", "kafka"]
        started.append(Process("runner", command, env, tmp_path / f"runner-{len(started)}.log"))
        guide = await ready(started[-1])
        token = re.search(r"^  admin +(\S+)$", guide, re.MULTILINE)
        assert token is not None
        return Run(started[-1], f"http://127.0.0.1:{env['ECG_HTTP_PORT']}", token[1])

    yield start
    for process in started:
        if process.popen and process.popen.poll() is None:
            process.kill()


async def test_users_ecgs_and_insights_outlast_a_stop(start: Start, tmp_path: Path) -> None:
    first = await start()
    token = await first.register("user")
    finished = await first.submit(token, 5)
    await first.assert_finished(token, finished)
    pids = children(first.process.running.pid)
    assert len(pids) == 3
    submitted = await first.submit(token, 40, key="key")
    first.process.signal(signal.SIGINT)
    assert await exited(first.process, 20) == 0
    await all_gone(pids)

    second = await start()
    assert second.admin_token == first.admin_token
    assert "is there again after a restart" in second.process.log.read_text()
    await second.assert_finished(token, finished | submitted)
    assert await second.submit(token, 40, key="key") == submitted
    await second.assert_finished(token, await second.submit(token, 5))
    stranger = await second.register("stranger")
    async with second.client(stranger) as client:
        assert {(await client.get(f"/ecgs/{ecg_id}/insights")).status_code for ecg_id in submitted} == {404}
    data = tmp_path / "data"
    assert [(data / name).stat().st_mode & 0o777 for name in ("admin-token", "secret", "kafka")] == [
        0o600,
        0o600,
        0o700,
    ]


async def test_a_kill_of_the_runner_leaves_no_process_and_loses_nothing(start: Start) -> None:
    first = await start()
    token = await first.register("user")
    finished = await first.submit(token, 5)
    await first.assert_finished(token, finished)
    freeze(first.pid("stream_agents"))
    waiting = await first.submit(token, 5)
    pids = children(first.process.running.pid)
    first.process.kill()
    await all_gone(pids)

    second = await start()
    await second.assert_finished(token, finished | waiting)


async def test_a_broker_that_ends_is_named_and_ends_the_rest(start: Start) -> None:
    run = await start()
    pids = children(run.process.running.pid)
    os.kill(run.pid("kafka.Kafka"), signal.SIGKILL)
    assert await exited(run.process, 20) == 1
    node = f"Kafka node 1 (127.0.0.1:{run.process.env['ECG_BROKER_PORT']})"
    assert f"{node} ended unexpectedly with exit code -9. Its last lines:\n    " in run.process.log.read_text()
    await all_gone(pids)
