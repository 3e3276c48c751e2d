"""Recordings with the clients: sent in chunks, resumed, and streamed through a restart of the gateway."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import pytest_asyncio
from numpy.typing import NDArray

from ecg_client import AsyncEcgClient, EcgClient, Event, NotFound, Recording, RecordingInsights, read
from tests.support.command_line import ecg
from tests.support.conditions import DEADLINE, eventually
from tests.support.lifetime import as_a_child
from tests.support.paths import ROOT
from tests.support.pipeline import NewPipeline, Pipeline

# As the installed command does.
ECG = [sys.executable, "-c", "import sys; from ecg_client.__main__ import main; sys.exit(main())"]
LEADS = {"I": 200.0, "V1": None}
RATE = 100

Samples = NDArray[np.signedinteger[Any]]


def two_leads(count: int, seed: int = 1) -> Samples:
    """Return random samples of two leads, shape (2, count), many of them 0."""
    return np.random.default_rng(seed).integers(-3, 4, (2, count)).astype("<i2")


def crossings(signals: Samples) -> list[int]:
    """Count the zero crossings of each lead, according to their definition."""
    before, now = signals[:, :-1], signals[:, 1:]
    at = ((now == 0) & (before != 0)) | ((now > 0) & (before < 0)) | ((now < 0) & (before > 0))
    return [int(count) for count in at.sum(axis=1)]


def counts(found: RecordingInsights | None) -> list[int]:
    return [lead.number_of_zero_crossings for lead in found.leads] if found else []


@pytest_asyncio.fixture
async def token(pipeline: Pipeline) -> str:
    return await pipeline.register("recording-client")


@pytest.fixture
def env(pipeline: Pipeline, token: str, tmp_path: Path) -> dict[str, str]:
    """The environment of the command."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ECG_")}
    own = {"ECG_URL": pipeline.gateways[0].url, "ECG_TOKEN": token, "ECG_DATA_DIR": str(tmp_path / "none")}
    return inherited | pipeline.env | own


@pytest_asyncio.fixture
async def client(pipeline: Pipeline, token: str) -> AsyncIterator[AsyncEcgClient]:
    async with AsyncEcgClient(pipeline.gateways[0].url, token) as client:
        yield client


@contextmanager
def started(*arguments: str | Path, env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start the installed command, with pipes."""
    running = subprocess.Popen(
        [*ECG, *map(str, arguments)],
        cwd=ROOT,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=as_a_child(),  # noqa: PLW1509 - it takes no lock
    )
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


async def ended(running: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    out, err = await asyncio.to_thread(running.communicate, timeout=DEADLINE)
    return running.returncode, out.decode(), err.decode()


async def reached(client: AsyncEcgClient, recording_id: str, samples: int) -> None:
    """Wait until this many samples of a recording are in its insights."""

    async def probe() -> bool | None:
        found = await client.recordings.insights(recording_id)
        return (found is not None and found.number_of_samples >= samples) or None

    await eventually(probe, what=f"{samples} samples")


async def test_a_recording_is_sent_listed_read_back_and_erased(client: AsyncEcgClient) -> None:
    whole = two_leads(1000)
    recording = await client.recordings.begin(LEADS, RATE, date="2026-11-24", label="bed 7")
    for first in range(0, 1000, 250):
        await recording.send(whole[:, first : first + 250])
    await recording.send(whole[:, :300], 0)
    await recording.end()
    found = await client.recordings.wait_until_final(recording.id)
    assert (found.number_of_samples, found.complete_until, found.gaps, found.refused) == (1000, 1000, (), 0)
    assert counts(found) == crossings(whole)
    assert [lead.adc_gain for lead in found.leads] == [200.0, None]
    [listed] = [each async for each in client.recordings.list("bed 7")]
    assert (listed.id, listed.final, listed.number_of_samples) == (recording.id, True, 1000)
    stored = await client.recordings.signals(recording.id, 200, 700)
    assert stored is not None
    assert np.array_equal([lead.signal for lead in stored.leads], whole[:, 200:700])
    assert len([minute async for minute in client.recordings.minutes(recording.id)]) <= 1
    assert await client.recordings.erase(recording.id)
    with pytest.raises(NotFound):
        await client.recordings.insights(recording.id)


async def test_a_recording_is_resumed_by_another_process(pipeline: Pipeline, token: str) -> None:
    whole = two_leads(600)

    def send() -> RecordingInsights:
        with EcgClient(pipeline.gateways[0].url, token) as client:
            first = client.recordings.begin(LEADS, RATE)
            first.send(whole[:, :200])
            deadline = threading.Event()
            while (found := first.insights()) is None or found.number_of_samples < 200:
                assert not deadline.wait(0.02)
            second = client.recordings.resume(first.id)
            assert second.next_sample == 200
            second.send(whole[:, 200:])
            second.end()
            return client.recordings.wait_until_final(first.id)

    assert counts(await asyncio.to_thread(send)) == crossings(whole)


async def test_a_large_file_is_resumed_where_it_was_interrupted(
    client: AsyncEcgClient, env: dict[str, str], tmp_path: Path
) -> None:
    whole = two_leads(9_000_000, seed=2)
    whole.T.tofile(tmp_path / "night.dat")
    lines = ["night 2 1000 9000000", *(f"night.dat 16 200(0)/mV 16 0 0 0 0 {name}" for name in ("I", "V1"))]
    record = tmp_path / "night.hea"
    record.write_text("\n".join(lines) + "\n")

    async def begun() -> str | None:
        listed = [each async for each in client.recordings.list("night.hea") if each.number_of_samples]
        return listed[0].id if listed else None

    with started("submit", record, env=env) as running:
        recording_id = await eventually(begun, what="the first chunk")
        running.send_signal(signal.SIGINT)
        code, out, err = await ended(running)
    assert code == 130
    assert err.splitlines()[-1] == "ecg: interrupted, 0 of 1 files stored, and 1 in part; the same command resumes"
    assert "samples are stored" in out.replace("│", " ")
    before = await client.recordings.insights(recording_id)
    assert before is not None
    assert 0 < before.number_of_samples < 9_000_000
    done = await ecg("submit", "--wait", "--json", record, env=env)
    [line] = done.lines
    assert (done.code, line["id"], line["recording"], line["samples"]) == (0, recording_id, True, 9_000_000)
    assert [lead["number_of_zero_crossings"] for lead in line["insights"]] == crossings(whole)
    found = await client.recordings.insights(recording_id)
    assert found is not None
    assert (found.refused, found.revision, found.gaps) == (0, 0, ())


async def test_a_live_ecg_is_durable_while_it_is_streamed(client: AsyncEcgClient, env: dict[str, str]) -> None:
    whole = two_leads(350, seed=3)
    lines = [b"%d,%d\n" % (one, two) for one, two in whole.T]
    with started("stream", "--leads", "I,V1", "--rate", "100", "--json", env=env) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.write(b"".join(lines[:150]) + lines[150][:1])
        running.stdin.flush()
        recording_id = orjson.loads(await asyncio.to_thread(running.stdout.readline))["recording_id"]
        await reached(client, recording_id, 150)
        running.stdin.write(lines[150][1:] + b"".join(lines[151:]))
        code, out, err = await ended(running)
    assert code == 0, err
    assert err == "ecg: the recording has ended: 350 samples of each lead, 3.5 s\n"
    last = orjson.loads(out)
    assert (last["recording_id"], last["final"], last["number_of_samples"]) == (recording_id, True, 350)
    assert [lead["number_of_zero_crossings"] for lead in last["leads"]] == crossings(whole)


async def test_ctrl_c_ends_a_live_recording_with_all_that_came(client: AsyncEcgClient, env: dict[str, str]) -> None:
    whole = two_leads(130, seed=4)
    with started("stream", "--leads", "I,V1", "--rate", "100", "--format", "int16", env=env) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.write(whole.T.tobytes())
        running.stdin.flush()
        recording_id = (await asyncio.to_thread(running.stdout.readline)).decode().strip()
        # The rest of 30 samples is sent only at the end.
        await reached(client, recording_id, 100)
        running.send_signal(signal.SIGINT)
        out, err = await asyncio.to_thread(lambda: (running.stdout.read(), running.stderr.read()))  # type: ignore[union-attr]
        code = await asyncio.to_thread(running.wait, DEADLINE)
    assert code == 0, err
    assert err.decode().splitlines() == [
        "ecg: ending the recording, once all that has come is sent; Ctrl-C again gives up",
        "ecg: the recording has ended: 130 samples of each lead, 1.3 s",
    ]
    assert recording_id in out.decode()
    assert counts(await client.recordings.insights(recording_id)) == crossings(whole)


async def test_a_wrong_line_is_named_and_loses_nothing_that_came_before(
    client: AsyncEcgClient, env: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "live.txt"
    file.write_text("1 2\n-3 4\n5 x\n7 8\n")
    done = await ecg("stream", "--leads", "I,V1", "--rate", "1", "--json", file, env=env)
    assert done.code == 1
    assert "line 3, column 2: must be an integer" in done.err
    assert done.err.splitlines()[-1].endswith("; the recording ends before it")
    found = await client.recordings.insights(done.lines[0]["recording_id"])
    assert found is not None
    assert (found.number_of_samples, found.final, counts(found)) == (2, True, [1, 0])


@pytest.mark.parametrize("kind", ["blocking", "async"])
async def test_a_stream_survives_a_restart_of_the_gateway(new_pipeline: NewPipeline, kind: str) -> None:
    pipeline = new_pipeline()
    gateway = pipeline.start_gateway()
    pipeline.start_worker()
    await pipeline.ready()
    token, whole = await pipeline.register("monitor"), two_leads(1000, seed=5)

    def source() -> Iterator[Samples]:
        for first in range(0, 1000, 50):
            if first == 300:
                gateway.kill()
            if first == 600:
                gateway.start()
            yield whole[:, first : first + 50]

    def stream() -> str:
        with EcgClient(gateway.url, token) as client:
            *_, last = client.recordings.stream(source(), LEADS, RATE)
            return last.recording_id

    async with AsyncEcgClient(gateway.url, token) as client:
        if kind == "blocking":
            recording_id = await asyncio.to_thread(stream)
        else:
            *_, last = [each async for each in client.recordings.stream(source(), LEADS, RATE)]
            recording_id = last.recording_id
        found = await client.recordings.wait_until_final(recording_id)
    assert (found.number_of_samples, found.gaps, found.revision, found.refused) == (1000, (), 0, 0)
    assert counts(found) == crossings(whole)


@pytest.mark.parametrize("packed", [(), ("--packed",)], ids=["json", "packed"])
async def test_a_file_is_produced_in_chunks(
    client: AsyncEcgClient, env: dict[str, str], tmp_path: Path, packed: tuple[str, ...]
) -> None:
    whole = two_leads(700, seed=6)
    leads = [{"name": name, "signal": samples.tolist()} for name, samples in zip(LEADS, whole, strict=True)]
    file = tmp_path / "live.json"
    file.write_bytes(orjson.dumps({"leads": leads, "sampling_rate": 2}))
    arguments: tuple[str | Path, ...] = (
        "produce",
        "--as",
        "recording-client",
        "--as-recording",
        "--json",
        *packed,
        file,
    )
    done = await ecg(*arguments, env=env)
    again = await ecg(*arguments, env=env)
    assert (done.code, again.code, done.lines) == (0, 0, again.lines)
    found = await client.recordings.wait_until_final(done.lines[0]["id"])
    assert (found.number_of_samples, found.refused) == (700, 0)
    assert counts(found) == crossings(whole)


async def test_the_commands_for_ecgs_are_those_for_recordings_too(
    client: AsyncEcgClient, env: dict[str, str], tmp_path: Path
) -> None:
    whole = two_leads(300, seed=7)
    recording = await client.recordings.begin(LEADS, 2, label="commands")
    await recording.send(whole[:, :100])
    await recording.send(whole[:, 150:], 150)
    await recording.end()
    await client.recordings.wait_until_final(recording.id)
    with_gap = whole.copy()
    with_gap[:, 100:150] = 0
    done = await ecg("insights", recording.id, "--json", env=env)
    [line] = done.lines
    assert (line["recording_id"], line["final"], line["gaps"]) == (recording.id, True, [[100, 50]])
    assert [lead["number_of_zero_crossings"] for lead in line["leads"]] == crossings(with_gap)
    done = await ecg("insights", recording.id, env=env)
    assert "300 samples, 150.0 s, ended" in done.out
    assert "50 samples are missing, in 1 gaps, the first from sample 100" in done.out
    done = await ecg("insights", recording.id, "--fhir", env=env)
    assert (done.code, done.lines[0]["error"]) == (1, "is a recording: only ECGs have FHIR Observations")
    done = await ecg("list", "--recordings", "--label", "commands", "--json", env=env)
    assert [(each["id"], each["final"], each["number_of_samples"]) for each in done.lines] == [
        (recording.id, True, 300)
    ]
    done = await ecg("list", "--recordings", "--label", "commands", env=env | {"COLUMNS": "200"})
    assert recording.id in done.out
    done = await ecg("show", recording.id, "--csv", tmp_path / "out.csv", env=env)
    assert (done.code, "300 samples" in done.out) == (0, True)
    stored = read(tmp_path / "out.csv")
    assert np.array_equal([lead.signal for lead in stored.leads], with_gap)
    assert [(lead.name, lead.adc_gain, lead.missing) for lead in stored.leads] == [
        ("I", 200.0, ((100, 50),)),
        ("V1", None, ((100, 50),)),
    ]
    done = await ecg("erase", recording.id, "--json", env=env)
    assert done.lines == [{"ecg_id": recording.id, "erased": True}]
    done = await ecg("insights", recording.id, env=env)
    assert (done.code, done.err) == (1, f"ecg: {recording.id}: ECG not found for id {recording.id}\n")


async def test_an_erased_file_is_a_new_recording_with_all_of_its_samples(
    client: AsyncEcgClient, env: dict[str, str], tmp_path: Path
) -> None:
    whole = two_leads(700, seed=8)
    leads = [{"name": name, "signal": samples.tolist()} for name, samples in zip(LEADS, whole, strict=True)]
    file = tmp_path / "erased.json"
    file.write_bytes(orjson.dumps({"leads": leads, "sampling_rate": 2}))
    arguments: tuple[str | Path, ...] = ("submit", "--as-recording", "--json", "--wait", file)
    first = await ecg(*arguments, env=env)
    assert await client.recordings.erase(first.lines[0]["id"])
    second = await ecg(*arguments, env=env)
    [before], [after] = first.lines, second.lines
    # It was accepted anew.
    del before["accepted_at"], after["accepted_at"]
    assert (second.code, after) == (0, before)


async def test_events_of_ecgs_are_read_beside_those_of_recordings(client: AsyncEcgClient) -> None:
    opened = asyncio.Event()

    async def first() -> Event:
        async with aclosing(client.events(opened=opened.set)) as events:
            return await anext(events)

    following = asyncio.create_task(first())
    await opened.wait()
    recording = await client.recordings.begin(LEADS, RATE)
    await recording.send(two_leads(10))
    await recording.end()
    await client.recordings.wait_until_final(recording.id)
    ecg_id = await client.submit(Recording.of({"I": [1, -1]}))
    assert (await following).ecg_id == ecg_id
