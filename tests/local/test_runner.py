"""The runner: ready with one command, stopped whole, and clear when something goes wrong."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from ecg_client import read
from local_stack.broker import free_port, is_free
from local_stack.freezing import freeze
from tests.support.command_line import ecg
from tests.support.conditions import DEADLINE, eventually
from tests.support.ecgs import crossings
from tests.support.metrics import scrape
from tests.support.paths import recordings
from tests.support.process import Process
from tests.support.runner import all_gone, children, command_of, exited, ready, said


def free_ports_in_a_row(count: int) -> list[int]:
    """Return ports of 127.0.0.1 that nobody listens on, one after the other."""
    while True:
        ports = [first + i for first in [free_port()] for i in range(count)]
        if ports[-1] < 65536 and all(is_free("127.0.0.1", port) for port in ports):
            return ports


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Process]:
    """A runner that is not started yet."""
    with new_runner(tmp_path) as process:
        yield process


@contextlib.contextmanager
def new_runner(directory: Path) -> Iterator[Process]:
    env = {
        "ECG_HTTP_PORT": str(free_port()),
        "ECG_BROKER_PORT": str(free_port()),
        "ECG_DATA_DIR": str(directory),
        # With the embedded broker a worker is ready after half of it.
        "ECG_SESSION_TIMEOUT": "2",
    }
    argv = [sys.executable, "-m", "local_stack", "up"]
    # Only the runner is forked: it starts its gateways and workers as always.
    process = Process("runner", argv, env, directory / "runner.log", imported="local_stack.up")
    yield process
    if process.popen and process.popen.poll() is None:
        process.kill()


@pytest_asyncio.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Process]:
    """A runner that is ready, for the tests that break nothing."""
    with new_runner(tmp_path_factory.mktemp("running")) as process:
        await ready(process)
        yield process


async def test_the_printed_lines_and_the_command_line_work_and_a_signal_stops_everything(
    runner: Process, tmp_path: Path
) -> None:
    command = str(Path(sys.executable).with_name("ecg"))
    runner.argv, runner.imported = [command, "up"], ""
    guide = await ready(runner)
    assert "nothing survives a restart" in guide
    url = f"http://127.0.0.1:{runner.env['ECG_HTTP_PORT']}"
    assert all(text in guide for text in (url, f"{url}/docs", f"127.0.0.1:{runner.env['ECG_BROKER_PORT']}"))
    lines = re.search(r"  TOKEN=.*?/insights .*?\n", guide, re.DOTALL)
    assert lines is not None
    answer = subprocess.run(
        ["bash", "-c", lines[0]], capture_output=True, text=True, check=True, timeout=DEADLINE
    ).stdout
    assert '"leads":[{"name":"I","number_of_zero_crossings":3},{"name":"II","number_of_zero_crossings":1}]' in answer
    (tmp_path / "a.csv").write_text("I\n1\n-1\n")
    script = "ECG_TOKEN=$(ecg users add me) ecg submit --wait a.csv && ecg produce --as me --packed a.csv"
    env = {**os.environ, "ECG_DATA_DIR": str(tmp_path), "PATH": f"{Path(command).parent}:{os.environ['PATH']}"}
    done = await asyncio.to_thread(
        subprocess.run, ["bash", "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=DEADLINE
    )
    assert done.returncode == 0, done
    assert re.search(r"a.csv +│ +1 │ +2 │ [0-9a-f-]{36} +│ I: 1", done.stdout)
    pids = children(runner.running.pid)
    assert len(pids) == 3
    runner.signal(signal.SIGTERM)
    assert await exited(runner) == 0
    await all_gone(pids)


async def test_a_dozen_lines_tell_of_the_start(running: Process) -> None:
    before, _, _ = running.log.read_text().partition("\nReady.\n")
    # A busy machine may cause warnings, and change what is waited for.
    told = [line for line in before.splitlines() if not re.search("level=(warning|error)|^Waiting for", line)]
    assert 0 < len(told) <= 12, before
    # Faust's and uvicorn's steps.
    assert not [line for line in told if "[^-" in line or "uvicorn" in line]
    for line in ("gateway .* event=listening", "worker .* event=serving partitions="):
        assert re.search(line, before), before


async def test_debug_shows_every_step_of_the_start(runner: Process) -> None:
    runner.env["ECG_LOG_LEVEL"] = "DEBUG"
    runner.start()
    for step in ("[^-App]: Starting...", "Application startup complete."):
        await eventually(partial(said, runner, step), what=step)


@pytest.mark.slow
async def test_gateways_share_the_port_and_workers_the_load(runner: Process) -> None:
    runner.argv += ["--workers", "2", "--gateways", "2"]
    [first, *_] = ports = free_ports_in_a_row(4)
    runner.env["ECG_METRICS_PORT"] = str(first)
    guide = await ready(runner)
    assert f"PORT = {', '.join(map(str, ports))}" in guide
    components = [list((await scrape(port)).by("component", "ecg_build_info")) for port in ports]
    assert components == [["gateway"], ["gateway"], ["worker"], ["worker"]]
    pids = children(runner.running.pid)
    commands = [Path(f"/proc/{pid}/cmdline").read_text() for pid in pids]
    assert sum("stream_agents" in command for command in commands) == 2
    [gateway, _] = [pid for pid, command in zip(pids, commands, strict=True) if "ingest_api" in command]

    async def ping() -> bool:
        try:
            async with httpx.AsyncClient(timeout=3) as client:
                return (await client.get(f"http://127.0.0.1:{runner.env['ECG_HTTP_PORT']}/health/ping")).is_success
        except httpx.TimeoutException:
            return False

    assert all(await asyncio.gather(*(ping() for _ in range(30))))
    freeze(gateway)
    answered = await asyncio.gather(*(ping() for _ in range(30)))
    os.kill(gateway, signal.SIGCONT)
    assert 0 < sum(answered) < 30
    runner.signal(signal.SIGINT)
    assert await exited(runner) == 0
    await all_gone(pids)


@pytest.mark.slow
async def test_a_killed_process_starts_again_each_time_after_a_longer_pause_until_the_stop(runner: Process) -> None:
    await ready(runner)
    pids = children(runner.running.pid)
    programs = {"worker": "stream_agents", "gateway": "ingest_api"}

    async def running(name: str) -> int | None:
        return next((pid for pid in children(runner.running.pid) if programs[name] in command_of(pid)), None)

    for pause in (1, 2):
        for name in programs:
            os.kill(await eventually(partial(running, name), what=f"a {name}"), signal.SIGKILL)
            line = f"{name} ended unexpectedly with exit code -9; it starts again in {pause} s\n"
            await eventually(partial(said, runner, line), what="the line about its end")
    for name in programs:
        await eventually(partial(running, name), what=f"a {name}")
    await eventually(partial(demo_succeeds, runner), interval=0.5, what="an ECG processed afterwards")
    # Only the broker is still the same.
    assert len(set(pids) & set(children(runner.running.pid))) == 1

    # During the pause, a stop ends the rest, and nothing starts again.
    pids = children(runner.running.pid)
    os.kill(await eventually(partial(running, "worker"), what="a worker"), signal.SIGKILL)

    async def pausing() -> bool | None:
        return runner.log.read_text().count("worker ended unexpectedly") == 3 or None

    await eventually(pausing, interval=0.01, what="the pause")
    runner.signal(signal.SIGINT)
    assert await exited(runner) == 0
    await all_gone(pids)


@pytest.mark.slow
async def test_the_end_of_the_broker_is_named_and_ends_the_rest(runner: Process) -> None:
    await ready(runner)
    pids = children(runner.running.pid)
    [broker] = [pid for pid in pids if "memory://tansu/" in command_of(pid)]
    os.kill(broker, signal.SIGKILL)
    assert await exited(runner) == 1
    assert "\nbroker ended unexpectedly with exit code -9. Its last lines:\n" in runner.log.read_text()
    await all_gone(pids)


async def assert_it_ends_because_one_cannot_start(runner: Process, reason: str) -> None:
    runner.start()
    assert await exited(runner) == 1
    told = runner.log.read_text()
    final = re.search(r"^(worker|gateway) cannot start: it ended 3 times in a row.* lines:$", told, re.MULTILINE)
    assert final is not None, told
    last_lines = [line for line in told[final.end() :].splitlines() if line.startswith("    ")]
    assert reason in "\n".join(last_lines)
    assert told.count(f"{final[1]} ended unexpectedly") == 2


async def test_a_setting_that_is_refused_is_named_and_nothing_is_started(runner: Process) -> None:
    runner.env |= {"ECG_LOG_LEVEL": "chatty", "ECG_SESSION_TIMEOUT": "soon"}
    runner.start()
    assert await exited(runner) == 2
    named = sorted(line.partition(": ")[0] for line in runner.log.read_text().splitlines())
    assert named == ["ECG_LOG_LEVEL", "ECG_SESSION_TIMEOUT"]


@pytest.mark.slow
async def test_a_port_taken_meanwhile_ends_everything_with_the_reason(runner: Process) -> None:
    """The gateway's metrics and the worker want the same port, which is free when the runner looks."""
    [port, _] = free_ports_in_a_row(2)
    runner.env |= {"ECG_METRICS_PORT": str(port), "ECG_WORKER_PORT": str(port)}
    await assert_it_ends_because_one_cannot_start(runner, "address already in use")


async def test_nothing_outlives_a_killed_runner(runner: Process) -> None:
    await ready(runner)
    pids = children(runner.running.pid)
    runner.kill()
    await all_gone(pids)


@pytest.mark.parametrize("variable", ["ECG_HTTP_PORT", "ECG_BROKER_PORT"])
async def test_a_taken_port_is_named_and_nothing_is_started(runner: Process, variable: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(runner.env[variable])))
        taken.listen()
        runner.start()
        assert await exited(runner) == 2
    assert runner.log.read_text() == f"Port {runner.env[variable]} is taken; choose another one with {variable}=PORT\n"


async def test_a_directory_in_use_is_named_and_not_touched(running: Process, tmp_path: Path) -> None:
    env = {**running.env, "ECG_HTTP_PORT": str(free_port()), "ECG_BROKER_PORT": str(free_port())}
    other = Process("other", running.argv, env, tmp_path / "other.log", imported=running.imported)
    other.start()
    assert await exited(other) == 2
    directory = running.env["ECG_DATA_DIR"]
    assert other.log.read_text() == f"A stack runs in {directory}; choose another directory with ECG_DATA_DIR=PATH\n"
    code, text = await demo(running)
    assert code == 0, text


async def test_a_directory_that_is_a_file_is_named(runner: Process, tmp_path: Path) -> None:
    (file := tmp_path / "file").touch()
    runner.env["ECG_DATA_DIR"] = str(file)
    runner.start()
    assert await exited(runner) == 2
    assert runner.log.read_text() == f"ECG_DATA_DIR={file} cannot be used: File exists\n"


async def test_ports_that_do_not_exist_are_named(runner: Process) -> None:
    runner.env["ECG_METRICS_PORT"] = "65535"
    runner.start()
    assert await exited(runner) == 2
    assert runner.log.read_text() == "ECG_METRICS_PORT is too high: not every process would have a port\n"


async def test_a_kafka_of_ones_own_needs_an_admin_token(runner: Process) -> None:
    runner.env["ECG_BOOTSTRAP_SERVERS"] = "127.0.0.1:1"
    runner.start()
    assert await exited(runner) == 2
    assert runner.log.read_text() == "ECG_ADMIN_TOKEN must be set when ECG_BOOTSTRAP_SERVERS is\n"


async def test_an_admin_token_that_could_be_guessed_is_refused_and_not_shown(runner: Process) -> None:
    runner.env |= {"ECG_BOOTSTRAP_SERVERS": "127.0.0.1:1", "ECG_ADMIN_TOKEN": "correct-horse"}
    runner.start()
    assert await exited(runner) == 2
    told = runner.log.read_text()
    assert told == "ECG_ADMIN_TOKEN must have at least 32 characters: make one with `openssl rand -hex 32`\n"


@pytest.mark.parametrize("name", ["kafka", "embedded"])
async def test_a_broker_to_start_and_a_kafka_of_ones_own_contradict_each_other(runner: Process, name: str) -> None:
    runner.env["ECG_BOOTSTRAP_SERVERS"] = "127.0.0.1:1"
    runner.argv += ["--broker", name]
    runner.start()
    assert await exited(runner) == 2
    assert runner.log.read_text() == (
        f"BROKER={name} starts a broker and ECG_BOOTSTRAP_SERVERS names another; unset one of them\n"
    )


@pytest.mark.parametrize("name", ["redpanda", "127.0.0.1:9092"])
async def test_an_unknown_broker_is_named(runner: Process, name: str) -> None:
    runner.argv += ["--broker", name]
    runner.start()
    assert await exited(runner) == 2
    assert runner.log.read_text() == (
        f"BROKER must be embedded or kafka, not '{name}'; name your Kafka in ECG_BOOTSTRAP_SERVERS\n"
    )


async def test_a_missing_java_is_named(runner: Process, tmp_path: Path) -> None:
    runner.env |= {"PATH": str(tmp_path), "JAVA_HOME": ""}
    runner.argv += ["--broker", "kafka"]
    runner.start()
    assert await exited(runner) == 2
    assert runner.log.read_text() == "Apache Kafka needs Java 17 or newer; no `java` was found in PATH.\n"


async def test_the_download_of_kafka_is_announced_and_can_be_interrupted(runner: Process, tmp_path: Path) -> None:
    """With a Java and a Maven made of shell scripts."""
    for tool, script in (("java", "echo 'openjdk version \"17.0.1\"'"), ("mvn", "exec sleep 60")):
        (tmp_path / tool).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / tool).chmod(0o755)
    home = tmp_path / "home"
    runner.env |= {"PATH": f"{tmp_path}:/usr/bin:/bin", "JAVA_HOME": "", "ECG_KAFKA_HOME": str(home)}
    runner.argv += ["--broker", "kafka"]
    runner.start()

    async def maven() -> list[int] | None:
        return [pid for pid in children(runner.running.pid) if "sleep" in command_of(pid)] or None

    pids = await eventually(maven, what="the call of Maven")
    runner.signal(signal.SIGINT)
    assert await exited(runner) == 130
    assert runner.log.read_text() == f"Downloading Apache Kafka with Maven into {home} (once, 45 MB)\n"
    await all_gone(pids)


async def demo(runner: Process, *arguments: str) -> tuple[int, str]:
    done = await ecg("demo", *arguments, env={**os.environ, **runner.env, "COLUMNS": "100"})
    return done.code, done.out + done.err


async def demo_succeeds(runner: Process) -> bool | None:
    code, _ = await demo(runner)
    return code == 0 or None


async def test_without_a_stack_the_demo_says_how_to_start_one(runner: Process) -> None:
    code, text = await demo(runner)
    assert code == 1
    assert text == "ecg: no stack runs here: start one with `make run` or `ecg up`, in another terminal\n"


async def test_the_demo_shows_synthetic_and_recorded_ecgs(running: Process) -> None:
    code, text = await demo(running)
    assert code == 0, text
    assert re.search(r"aVR .* 5,000 ", text)
    code, text = await demo(running, "no-such-record")
    assert code == 1
    assert text == "ecg: no-such-record: there is no such file or WFDB record\n"
    for path in recordings():
        code, text = await demo(running, str(path))
        assert code == 0, text
        shown = [int(count.replace(",", "")) for count in re.findall(r"│ +[\d,]+ │ +([\d,]+) │", text)]
        assert shown == [crossings(lead.signal.tolist()) for lead in read(path).leads]


async def test_the_gateway_is_reachable_only_from_this_machine(running: Process) -> None:
    port = int(running.env["ECG_HTTP_PORT"])
    listening = Path("/proc/net/tcp").read_text()
    addresses = [line.split()[1] for line in listening.splitlines()[1:] if line.split()[1].endswith(f":{port:04X}")]
    assert addresses
    assert all(address.startswith("0100007F:") for address in addresses)
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"http://127.0.0.1:{port}/health/ping")).json() == "pong"
