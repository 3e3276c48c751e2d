"""The command line as a process, with real gateways and a real Kafka."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import edfio
import msgspec
import numpy as np
import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from ecg_client import AsyncEcgClient, read
from ecg_client.local import RunningStack, state_file
from local_stack.broker import free_port
from shared.kafka.clients import new_producer, new_reader
from shared.kafka.topics import Topics
from shared.kafka.topics import create as create_topics
from shared.security.ids import IdIssuer, is_issued
from stream_agents.insights import INSIGHTS
from tests.support.command_line import Done, ecg
from tests.support.conditions import DEADLINE, eventually
from tests.support.ecgs import crossings, insights
from tests.support.heartbeats import digitised, regular, signals
from tests.support.lifetime import as_a_child
from tests.support.paths import recordings
from tests.support.pipeline import ADMIN_TOKEN, SECRET, NewPipeline, Pipeline

ECG = Path(sys.executable).with_name("ecg")


@dataclass
class Cli:
    """The command `ecg` with an environment of its own."""

    env: dict[str, str]

    async def __call__(self, *arguments: str | Path, **env: str) -> Done:
        done = await ecg(*arguments, env={**self.env, **env})
        assert "Traceback" not in done.err, done.err
        assert "\x1b" not in done.out + done.err
        return done

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start the installed command, with its output in pipes."""
        return subprocess.Popen(
            [str(ECG), *map(str, arguments)],
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=as_a_child(),  # noqa: PLW1509 - it takes no lock
        )


@pytest.fixture
def bare(tmp_path: Path) -> Cli:
    """A command without any of the pipeline's settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ECG_")}
    return Cli({**inherited, "ECG_DATA_DIR": str(tmp_path / "none"), "COLUMNS": "160"})


@pytest.fixture
def cli(bare: Cli, pipeline: Pipeline) -> Cli:
    """A command with the settings of the pipeline, but without a user's token."""
    return Cli({**bare.env, **pipeline.env, "ECG_URL": pipeline.gateways[0].url})


async def signed_in(cli: Cli, username: str) -> str:
    """Register a user, set the token in the command's environment, and return it."""
    done = await cli("users", "add", username)
    assert (done.code, done.err) == (0, "")
    cli.env["ECG_TOKEN"] = done.out.strip()
    return cli.env["ECG_TOKEN"]


def write(directory: Path, name: str, signal: list[int]) -> Path:
    path = directory / name
    path.write_bytes(orjson.dumps({"leads": [{"name": "I", "signal": signal}]}))
    return path


async def rows(pipeline: Pipeline, topic: str) -> AsyncIterator[Any]:
    """Yield the records that are on a topic now."""
    reader: AIOKafkaConsumer = new_reader(pipeline.settings)
    reader.subscribe([topic])
    await reader.start()
    try:
        ends = await reader.end_offsets(reader.assignment())
        while unread := [partition for partition, end in ends.items() if await reader.position(partition) < end]:
            for records in (await reader.getmany(*unread, timeout_ms=200)).values():
                for record in records:
                    yield record
    finally:
        await reader.stop()


async def test_a_user_is_registered_and_the_token_printed_once(cli: Cli, pipeline: Pipeline, tmp_path: Path) -> None:
    token = await signed_in(cli, "cli-user")
    async with pipeline.client(token=token) as client:
        assert (await client.get("/ecgs/none/insights")).status_code == 404
    done = await cli("users", "add", "cli-user", "--json")
    assert done.lines[0]["username"] == "cli-user"
    assert done.lines[0]["token"] != token
    done = await cli("users", "add", "cli-user", ECG_ADMIN_TOKEN="wrong-admin-token")
    assert (done.code, done.out, done.err) == (1, "", "ecg: Invalid admin token\n")
    done = await cli("users", "add", " ")
    assert done.code == 1
    assert re.fullmatch(r"ecg: username: .+\n", done.err)
    done = await cli(
        "submit", "--concurrency", "1", *(write(tmp_path, f"{i}.json", [i]) for i in range(9)), ECG_TOKEN="x"
    )
    assert (done.code, done.err) == (1, "ecg: Invalid user token; 0 of 9 files sent\n")


async def test_users_are_listed_and_deleted_by_the_administrator(cli: Cli, pipeline: Pipeline) -> None:
    token = await signed_in(cli, "cli-leaving/[red]")
    done = await cli("users", "add", "cli-staying", "--expires-in", "90d", "--json")
    assert set(done.lines[0]) == {"username", "token", "expires_at"}
    left = datetime.fromisoformat(done.lines[0]["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=89) < left <= timedelta(days=90)
    done = await cli("users", "list", "--json")
    listed = {line["username"]: set(line) for line in done.lines}
    assert listed["cli-leaving/[red]"] == {"username", "created_at", "issued_at"}
    assert listed["cli-staying"] == {"username", "created_at", "issued_at", "expires_at"}
    assert list(listed) == sorted(listed)
    done = await cli("users", "list")
    assert re.search(r"cli-leaving/\[red\] +│ [\d: -]+ │ [\d: -]+ │ +│", done.out)
    assert (await cli("users", "rm", "--yes", "cli-leaving/[red]")).code == 0
    async with pipeline.client(token=token) as client:
        assert (await client.get("/ecgs/none/insights")).status_code == 401
    done = await cli("users", "rm", "--yes", "cli-leaving/[red]")
    assert (done.code, done.out, done.err) == (1, "", "ecg: User not found: cli-leaving/[red]\n")
    done = await cli("users", "add", "cli-staying", "--expires-in", "9999d")
    assert done.code == 1
    assert re.fullmatch(r"ecg: expires_in: .+\n", done.err)
    for command in (("list",), ("rm", "--yes", "cli-staying")):
        done = await cli("users", *command, ECG_ADMIN_TOKEN="wrong-admin-token")
        assert (done.code, done.err) == (1, "ecg: Invalid admin token\n")


async def test_the_audit_is_listed_for_the_administrator(cli: Cli, tmp_path: Path) -> None:
    token, file = await signed_in(cli, "cli-audited/[red]"), write(tmp_path, "a.json", [1, -1])
    ecg_id = (await cli("submit", "--wait", "--json", file, ECG_TOKEN=token)).lines[0]["id"]
    done = await cli("audit", "--user", "cli-audited/[red]", "--json")
    assert [(line["action"], line["who"]) for line in done.lines][:2] == [
        ("user_registered", "admin"),
        ("ecg_submitted", "cli-audited/[red]"),
    ]
    done = await cli("audit", "--ecg", ecg_id, "--limit", "1", "--since", "1h", "--until", "0s")
    assert re.search(r"ecg_submitted +│ cli-audited/\[red\] +│ cli-audited/\[red\] +│", done.out)
    assert (await cli("audit", "--ecg", ecg_id, "--since", "2999-01-01", "--json")).lines == []
    done = await cli("audit", ECG_ADMIN_TOKEN="wrong-admin-token")
    assert (done.code, done.err) == (1, "ecg: Invalid admin token\n")


async def test_recordings_are_submitted_and_a_broken_file_does_not_stop_the_others(cli: Cli, tmp_path: Path) -> None:
    token = await signed_in(cli, "cli-recordings")
    broken = tmp_path / "broken[red].edf"
    broken.write_bytes(b"no EDF")
    files = [*recordings(), recordings()[0].with_suffix(".dat"), broken]
    done = await cli("submit", "--wait", "--json", *files)
    assert done.code == 1
    assert done.err == "ecg: 3 of 4 files sent\n"
    by_file = {line["file"]: line for line in done.lines}
    for path in recordings():
        recording, line = read(path), by_file[str(path)]
        assert line["leads"] == len(recording.leads)
        assert line["samples"] == recording.leads[0].signal.size
        assert [lead["number_of_zero_crossings"] for lead in line["insights"]] == [
            crossings(lead.signal.tolist()) for lead in recording.leads
        ]
    assert by_file[str(broken)]["error"].startswith("not an EDF or BDF file")
    again = await cli("submit", *files, COLUMNS="250")
    assert again.code == 1
    assert "left out, because their file is missing: vx, vy, vz" in again.err
    for path in recordings():
        assert re.search(rf"{path.name} +│.*│ {by_file[str(path)]['id']}", again.out)
    assert re.search(r"broken\[red\].edf +│ +│ +│ not an EDF or BDF file", again.out)
    narrow = await cli("submit", *files, COLUMNS="80")
    assert all(line["id"] in narrow.out for line in done.lines if "id" in line)
    [width] = {len(line) for line in narrow.out.splitlines()}
    assert width <= 80
    assert all(secret not in again.out + again.err + done.out + done.err for secret in (token, ADMIN_TOKEN))


async def test_every_format_reaches_the_gateway(cli: Cli, tmp_path: Path) -> None:
    await signed_in(cli, "cli-formats")
    signal = np.array([1, -1, 0, 5], np.int16)
    np.save(tmp_path / "a.npy", signal)
    np.savez(tmp_path / "b.npz", I=signal, II=signal)
    (tmp_path / "c.csv").write_text("I\n1001\n999\n1000\n1005\n")
    edfio.Edf([edfio.EdfSignal.from_digital(signal, 4, label="ECG I")]).write(tmp_path / "d.edf")
    edfio.Bdf([edfio.BdfSignal.from_digital(signal.astype(np.int32), 4, label="I")]).write(tmp_path / "e.bdf")
    write(tmp_path, "f.json", signal.tolist())
    files = sorted(path for path in tmp_path.iterdir() if path.suffix != ".csv")
    done = await cli("submit", "--wait", "--json", *files)
    assert done.code == 0, done
    assert {line["insights"][0]["number_of_zero_crossings"] for line in done.lines} == {2}
    done = await cli("submit", "--wait", "--baseline", "1000", tmp_path / "c.csv")
    assert "│ I: 2" in done.out


async def test_an_interrupted_batch_is_resumed_and_each_file_is_one_ecg(
    cli: Cli, pipeline: Pipeline, tmp_path: Path
) -> None:
    await signed_in(cli, "cli-resumed")
    files = [write(tmp_path, f"{number}.json", [1, -1] * number) for number in range(1, 201)]
    running = cli.start("submit", "--json", "--concurrency", "2", *files)
    assert running.stdout is not None
    assert running.stderr is not None
    first = [orjson.loads(await asyncio.to_thread(running.stdout.readline)) for _ in range(60)]
    running.send_signal(signal.SIGINT)
    # Not by `communicate`, which knows nothing of lines that were read ahead.
    rest, complaint = await asyncio.to_thread(running.stdout.read), await asyncio.to_thread(running.stderr.read)
    await asyncio.to_thread(running.wait, DEADLINE)
    first += [orjson.loads(line) for line in rest.splitlines()]
    assert running.returncode == 130
    stored = [line for line in first if "id" in line]
    unsure = f", and {len(first) - len(stored)} more may be" if len(stored) < len(first) else ""
    assert complaint == f"ecg: interrupted, {len(stored)} of 200 files stored{unsure}; the same command resumes\n"
    assert 60 <= len(stored) < 200
    done = await cli("submit", "--json", "--concurrency", "8", *files)
    assert (done.code, len(done.lines)) == (0, 200)
    ids = {line["file"]: line["id"] for line in done.lines}
    assert all(ids[line["file"]] == line["id"] for line in stored)
    assert len(set(ids.values())) == 200
    assert (await cli("insights", "--wait", "--json", *ids.values())).code == 0
    counts: dict[bytes, int] = {}
    async for record in rows(pipeline, Topics(pipeline.settings).insights.name):
        row = orjson.loads(record.value)
        # Not every row has an owner: those of parts of recordings have none.
        if row.get("username") == "cli-resumed":
            counts[record.key] = row["leads"][0]["number_of_zero_crossings"]
    assert {key.decode() for key in counts} == set(ids.values())
    assert sorted(counts.values()) == [2 * number - 1 for number in range(1, 201)]


async def test_a_file_is_the_same_ecg_from_the_command_and_from_a_program(cli: Cli, tmp_path: Path) -> None:
    token = await signed_in(cli, "cli-and-program")
    file = write(tmp_path, "rest.json", [1, 0, -1])
    [line] = (await cli("submit", "--json", file)).lines
    async with AsyncEcgClient(cli.env["ECG_URL"], token) as client:
        assert [await client.submit(read(file)) for _ in range(2)] == [line["id"]] * 2
        assert await client.submit(read(file), str(uuid.uuid4())) != line["id"]


async def test_insights_are_printed_and_the_exit_code_reports_missing_ones(cli: Cli, tmp_path: Path) -> None:
    await signed_in(cli, "cli-insights")
    [line] = (await cli("submit", "--json", write(tmp_path, "a.json", [1, -1]))).lines
    done = await cli("insights", "--wait", line["id"])
    assert done.code == 0
    assert re.search(rf"ECG {line['id']}\n.*lead ┃ zero crossings", done.out, re.DOTALL)
    done = await cli("insights", "--json", line["id"], "unknown")
    assert (done.code, done.lines) == (
        1,
        [
            {"ecg_id": line["id"], "leads": [{"name": "I", "number_of_zero_crossings": 1}]},
            {"ecg_id": "unknown", "error": "ECG not found for id unknown"},
        ],
    )
    accepted = IdIssuer(SECRET).issue("cli-insights")
    done = await cli("insights", accepted)
    assert (done.code, done.out, done.err) == (3, "", f"ecg: {accepted}: is still being processed\n")
    done = await cli("insights", "--wait", "--timeout", "0.1", "--json", accepted)
    assert (done.code, done.lines) == (3, [{"ecg_id": accepted, "pending": True}])


async def test_measurements_of_an_ecg_with_a_sampling_rate_are_printed(cli: Cli, tmp_path: Path) -> None:
    await signed_in(cli, f"cli-measured-{uuid.uuid4()}")
    file = tmp_path / "rest.csv"
    rows = np.array(digitised(signals(regular(0.8, 10), 500, 10)[:2])).T
    np.savetxt(file, rows, "%d", delimiter=",", header="I,II", comments="")
    options = ("--sampling-rate", "500", "--adc-gain", "1000")
    done = await cli("submit", "--wait", *options, file, COLUMNS="250")
    assert re.search(r"zero crossings.*usable leads.*heart rate, /min.*QRS, ms.*QTc \(Fridericia\), ms", done.out)
    narrow = await cli("submit", "--wait", *options, file, COLUMNS="80")
    assert all(len(line) <= 80 and "…" not in line for line in narrow.out.splitlines())
    assert re.search(r"heart rate +│ +7[45]\.\d+ │ /min", narrow.out)
    [line] = (await cli("submit", "--wait", "--json", *options, file)).lines
    assert line["ecg"]["rhythm"]["heart_rate_bpm"] == pytest.approx(75, abs=1)
    assert [lead["quality"]["usable"] for lead in line["insights"]] == [True, True]
    done = await cli("insights", line["id"])
    assert re.search(r"heart rate +│ +7[45]\.\d+ │ /min", done.out)
    assert re.search(r"QRS +│ +[\d.]+ │ ms +│ ± [\d.]+", done.out)
    assert re.search(r"limb leads add up +│ +│ +│ needs three limb leads", done.out)
    assert "not a diagnosis" in done.out
    [again] = (await cli("insights", "--json", line["id"])).lines
    assert again["ecg"] == line["ecg"]
    assert again["versions"]["rhythm"] == INSIGHTS["rhythm"].version
    [listed] = (await cli("list", "--json")).lines
    assert listed["summary"]["usable_leads"] == 2
    assert "heart rate, /min" in (await cli("list", COLUMNS="250")).out
    narrow = await cli("list", COLUMNS="80")
    assert line["id"] in narrow.out
    assert all(len(line) <= 80 and "…" not in line for line in narrow.out.splitlines())
    assert re.fullmatch(r"ecg: the terminal is too narrow for some columns \(.*heart rate, .*\): .*\n", narrow.err)


async def test_ecgs_are_listed_and_shown_as_they_were_submitted(cli: Cli, tmp_path: Path) -> None:
    await signed_in(cli, f"cli-reading-{uuid.uuid4()}")
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for number, file in enumerate(files, start=1):
        file.write_text(f"I,II\n1,2\n{-number},3\n")
    done = await cli("submit", "--wait", "--json", "--sampling-rate", "250", "--adc-gain", "1000", *files)
    ids = {line["id"] for line in done.lines}
    listed = (await cli("list", "--json", "--limit", "2")).lines
    assert {line["id"] for line in listed} == ids
    assert [lead["number_of_samples"] for lead in listed[0]["leads"]] == [2, 2]
    shown = await cli("list", "--limit", "1")
    assert shown.code == 0
    assert listed[0]["id"] in shown.out
    assert listed[1]["id"] not in shown.out
    [document] = (await cli("show", "--json", listed[1]["id"], "--csv", tmp_path / "back.csv")).lines
    assert document["sampling_rate"] == 250
    assert {lead["adc_gain"] for lead in document["leads"]} == {1000}
    assert (tmp_path / "back.csv").read_text().partition("\n")[2] in {file.read_text() for file in files}
    again = await cli("submit", "--wait", "--json", "--no-label", tmp_path / "back.csv")
    [back] = (await cli("show", "--json", again.lines[0]["id"])).lines
    assert {name: back[name] for name in ("leads", "sampling_rate")} == {
        name: document[name] for name in ("leads", "sampling_rate")
    }
    text = (await cli("show", listed[1]["id"])).out
    assert "250 Hz" in text
    assert (await cli("show", "unknown")).code == 1
    done = await cli("erase", listed[0]["id"], "unknown", "--json")
    assert done.code == 1
    assert done.lines[0] == {"ecg_id": listed[0]["id"], "erased": True}
    assert done.lines[1] == {"ecg_id": "unknown", "error": "ECG not found for id unknown"}
    assert (await cli("show", listed[0]["id"])).code == 1
    assert listed[0]["id"] not in (await cli("list")).out
    assert (await cli("submit", "--adc-gain", "0", *files)).code == 1


async def test_a_files_name_is_its_label_unless_the_user_says_not_to(cli: Cli, tmp_path: Path) -> None:
    await signed_in(cli, f"cli-labels-{uuid.uuid4()}")
    (tmp_path / "secret folder").mkdir()
    night = write(tmp_path / "secret folder", "night 1.json", [1, -1])
    rest = tmp_path / "rest.json"
    rest.write_text('{"label": "Ann", "leads": [{"name": "I", "signal": [1, -1, 1]}]}')
    [named] = (await cli("submit", "--wait", "--json", night)).lines
    [unnamed] = (await cli("submit", "--wait", "--json", "--no-label", rest)).lines
    listed = await cli("list", "--json")
    assert {line["id"]: line.get("label") for line in listed.lines} == {
        named["id"]: "night 1.json",
        unnamed["id"]: None,
    }
    assert [line["id"] for line in (await cli("list", "--json", "--label", "night")).lines] == [named["id"]]
    assert (await cli("list", "--json", "--label", "day")).lines == []
    for shown in (await cli("list"), await cli("show", named["id"])):
        assert "night 1.json" in shown.out
    assert "secret folder" not in listed.out
    # A label does not make another ECG.
    assert (await cli("submit", "--json", "--no-label", night)).lines[0]["id"] == named["id"]


async def test_a_file_whose_name_is_not_utf_8_is_submitted(cli: Cli, tmp_path: Path) -> None:
    await signed_in(cli, f"cli-latin-{uuid.uuid4()}")
    file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/d\xe9rivation.json"))
    file.write_bytes(write(tmp_path, "a.json", [1, -1]).read_bytes())
    done = await cli("submit", "--wait", file)
    assert done.code == 0, done
    [line] = (await cli("list", "--json")).lines
    assert line["label"] == "d\ufffdrivation.json"


async def test_missing_samples_are_exported_as_nan(cli: Cli, tmp_path: Path) -> None:
    await signed_in(cli, f"cli-missing-{uuid.uuid4()}")
    (tmp_path / "a.csv").write_text("I,II\n5,7\nnan,7\nnan,-7\n-5,7\n")
    done = await cli("submit", "--wait", "--json", tmp_path / "a.csv")
    assert done.lines[0]["notes"] == ["I: 2 missing samples became 0"]
    [document] = (await cli("show", "--json", done.lines[0]["id"], "--csv", tmp_path / "back.csv")).lines
    assert [lead.get("missing") for lead in document["leads"]] == [[[1, 2]], None]
    assert document["leads"][0]["signal"] == [5, 0, 0, -5]
    assert (tmp_path / "back.csv").read_text().partition("\n")[2] == (tmp_path / "a.csv").read_text()


async def test_errors_of_usage_and_outages_are_printed_as_one_line(bare: Cli, tmp_path: Path) -> None:
    file = write(tmp_path, "a.json", [1])
    done = await bare("submit", file)
    assert (done.code, done.out) == (2, "")
    assert done.err == "ecg: your token is missing: set ECG_TOKEN to what `ecg users add` printed\n"
    url, others = f"http://127.0.0.1:{free_port()}", [write(tmp_path, f"{i}.json", [i]) for i in range(20)]
    away = {"ECG_URL": url, "ECG_TOKEN": "a-secret-token"}
    done = await bare("submit", "--retry-for", "0.5", "--concurrency", "1", "--json", *others, **away)
    assert (done.code, len(done.lines)) == (1, 1)
    away_said = f"ecg: the gateway at {url} does not answer (ConnectError); "
    assert done.err == f"{away_said}waiting for up to 1 s\n{away_said}0 of 20 files sent, the same command resumes\n"
    done = await bare("dlq", "list", ECG_BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert (done.code, done.err) == (1, "ecg: Kafka at 127.0.0.1:1 does not answer (KafkaConnectionError)\n")
    assert (await bare("dlq", "show", "seventeen")).code == 2
    assert "Exit codes: 0 all is well" in (await bare("--help")).out


async def test_a_stack_that_runs_here_is_found_and_its_admin_token_is_sent_to_it_alone(
    bare: Cli, pipeline: Pipeline, tmp_path: Path
) -> None:
    stack = RunningStack(pipeline.gateways[0].url, ADMIN_TOKEN, pipeline.bootstrap_servers, pipeline.broker.embedded)
    state_file(tmp_path).write_bytes(msgspec.json.encode(stack))
    security = {name: value for name, value in pipeline.env.items() if name.startswith("ECG_KAFKA_")}
    here = {"ECG_DATA_DIR": str(tmp_path), "ECG_TOPIC_PREFIX": pipeline.prefix, **security}
    token = (await bare("users", "add", "cli-local", **here)).out.strip()
    file = write(tmp_path, "a.json", [1, -1])
    assert (await bare("submit", "--wait", file, ECG_TOKEN=token, **here)).code == 0
    assert (await bare("produce", "--as", "cli-local", file, **here)).code == 0
    done = await bare("users", "add", "cli-local", "--url", "http://127.0.0.1:1", **here)
    assert done.code == 2
    assert done.err.startswith("ecg: the admin token is missing")


async def test_files_are_produced_under_derived_ids_in_either_encoding(
    cli: Cli, pipeline: Pipeline, tmp_path: Path
) -> None:
    token = await signed_in(cli, "cli-produced")
    np.save(tmp_path / "a.npy", np.array([[1, -1, 300, -70_000]]))
    files = [tmp_path / "a.npy", write(tmp_path, "b.json", [1, 0, -1]), tmp_path / "gone.hea"]
    done = await cli("produce", "--as", "cli-produced", "--json", *files)
    assert done.code == 1
    ids = {line["file"]: line.get("id") for line in done.lines}
    assert ids.pop(str(files[2])) is None
    assert not any(is_issued(str(ecg_id)) for ecg_id in ids.values())
    again = await cli("produce", "--as", "cli-produced", "--packed", *files)
    assert all(str(ecg_id) in again.out for ecg_id in ids.values())
    packed = await cli("produce", "--as", "cli-produced", "--packed", "--json", write(tmp_path, "c.json", [1, -1, 1]))
    wanted = [ids[str(file)] for file in files[:2]] + [packed.lines[0]["id"]]
    async with pipeline.client(token=token) as client:
        for ecg_id, count in zip(wanted, (3, 1, 2), strict=True):
            await eventually(partial(_found, client, str(ecg_id)))
            assert (await insights(client, str(ecg_id)))[0]["number_of_zero_crossings"] == count
    done = await cli("produce", "--as", " ", *files)
    assert re.fullmatch(r"ecg: username: .+\n", done.err)


@pytest.mark.parametrize("whose", [(), ("--username", "cli-watched")], ids=["gateway", "kafka"])
async def test_only_the_users_own_insights_are_watched(cli: Cli, tmp_path: Path, whose: tuple[str, ...]) -> None:
    await signed_in(cli, "cli-watched")
    watching = cli.start("watch", *whose, "--count", "2", "--json")
    assert watching.stderr is not None
    assert "Watching" in await asyncio.to_thread(watching.stderr.readline)
    files = [write(tmp_path, f"{i}.json", [1, -1] * i) for i in (1, 2)]
    produced = await cli("produce", "--as", "cli-others", *files)
    assert produced.code == 0
    submitted = await cli("submit", "--json", *files)
    out, err = await asyncio.to_thread(watching.communicate, timeout=DEADLINE)
    assert (watching.returncode, err) == (0, "")
    seen = [orjson.loads(line) for line in out.splitlines()]
    assert sorted(row["ecg_id"] for row in seen) == sorted(line["id"] for line in submitted.lines)
    assert sorted(row["leads"][0]["number_of_zero_crossings"] for row in seen) == [1, 3]
    assert sorted(row["label"] for row in seen) == ["1.json", "2.json"]


async def test_watching_ends_at_once_when_it_is_interrupted(cli: Cli) -> None:
    await signed_in(cli, "cli-quiet")
    watching = cli.start("watch")
    assert watching.stderr is not None
    await asyncio.to_thread(watching.stderr.readline)
    watching.send_signal(signal.SIGINT)
    assert await asyncio.to_thread(watching.communicate, timeout=DEADLINE) == ("", "")
    assert watching.returncode == 0


async def test_dead_letters_are_listed_shown_and_replayed_as_they_were_sent(
    cli: Cli, pipeline: Pipeline, tmp_path: Path
) -> None:
    token = await signed_in(cli, "cli-letters")
    topics = Topics(pipeline.settings)
    ecg_id, poison = str(uuid.uuid4()), f"poison-{uuid.uuid4()}"
    body = orjson.dumps({"id": ecg_id, "username": "cli-letters", "leads": [{"name": "I", "signal": [77777777, -1]}]})
    broken = body.replace(ecg_id.encode(), poison.encode()).replace(b"-1]", b"0.5]") + b" " * (2 << 20)
    producer: AIOKafkaProducer = new_producer(pipeline.settings)
    async with producer:
        headers = [("trace", b"\x01\xff"), ("dlq-error-class", b"Outage"), ("dlq-error-message", b"passed\x1b[2J")]
        headers += [("dlq-source-topic", b"x"), ("dlq-source-partition", b"0"), ("dlq-source-offset", b"1")]
        headers += [("forwarded-from", b"x-0-1")]
        healed = await producer.send_and_wait(topics.dlq.name, body, ecg_id.encode(), headers=headers)
        await producer.send_and_wait(topics.submissions.name, broken, poison.encode())

    async def listed() -> dict[str, Any] | None:
        letters = {str(line.get("key")): line for line in (await cli("dlq", "list", "--json")).lines}
        return letters if poison in letters else None

    letters = await eventually(listed, what="the dead letter")
    assert letters[poison]["error_class"] == "InvalidEcg"
    assert (
        letters[poison]["reason"] == "leads[0].signal: must hold integers only: multiply fractions, and send adc_gain"
    )
    assert letters[poison]["source"].startswith(f"{topics.submissions.name}:")
    assert letters[poison]["bytes"] == len(broken)
    table = await cli("dlq", "list")
    assert all(text in table.out for text in (letters[poison]["letter"], "Outage: passed\\x1b[2J"))
    shown = await cli("dlq", "show", letters[poison]["letter"])
    assert f"{len(broken)}" in shown.out
    assert "dlq-source-offset" in shown.out
    raw = await cli("dlq", "show", letters[poison]["letter"], "--raw")
    assert raw.out.encode() == broken
    assert not any("77777777" in done.out for done in (table, shown))

    letter = f"{healed.partition}:{healed.offset}"
    done = await cli("dlq", "replay", letter, "--json")
    assert (done.code, done.lines[0]["letter"]) == (0, letter)
    topic, partition, offset = done.lines[0]["replayed"].split(":")
    async for record in rows(pipeline, topic):
        if (record.partition, record.offset) == (int(partition), int(offset)):
            assert (record.key, record.value) == (ecg_id.encode(), body)
            assert list(record.headers) == [("trace", b"\x01\xff")]
            break
    else:
        raise AssertionError("not replayed")
    async with pipeline.client(token=token) as client:
        await eventually(lambda: _found(client, ecg_id))
    async with new_producer(pipeline.settings) as producer:
        source = [("dlq-source-topic", b"x"), ("dlq-source-partition", b"0"), ("dlq-source-offset", b"1")]
        lost = await producer.send_and_wait(topics.dlq.name, b"", headers=[*source, ("dlq-left-out-bytes", b"99")])
    done = await cli("dlq", "replay", f"{lost.partition}:{lost.offset}")
    assert (done.code, done.out) == (1, "")
    assert "was too large to be kept; it may still be at x:0:1" in done.err
    for arguments in (["replay"], ["replay", letter, "--all"]):
        assert (await cli("dlq", *arguments)).code == 2
    done = await cli("dlq", "show", "0:999999")
    assert (done.code, done.err) == (1, "ecg: there is no dead letter 0:999999\n")


async def test_dead_letters_that_are_dealt_with_are_passed_over(bare: Cli, new_pipeline: NewPipeline) -> None:
    # Topics of its own, without a worker: all letters are replayed, and none becomes another one.
    pipeline = new_pipeline()
    await create_topics(pipeline.settings)
    cli = Cli({**bare.env, **pipeline.env})
    topic, source = Topics(pipeline.settings).dlq.name, [("dlq-source-topic", b"x"), ("dlq-error-class", b"Outage")]
    body = orjson.dumps({"id": str(uuid.uuid4()), "username": "u", "leads": [{"name": "I", "signal": [1]}]})
    async with new_producer(pipeline.settings) as producer:
        sent = [await producer.send_and_wait(topic, body, partition=0, headers=source) for _ in range(2)]
        # A producer's header does not pass a letter off as a mark.
        forged = [*source, ("dlq-dealt-with", str(sent[0].offset).encode())]
        sent.append(await producer.send_and_wait(topic, body, partition=0, headers=forged))
    replayed, ticked, kept = letters = [f"0:{letter.offset}" for letter in sent]

    async def listed(*options: str) -> dict[str, str | None]:
        return {line["letter"]: line.get("dealt_with") for line in (await cli("dlq", "list", "--json", *options)).lines}

    assert set(letters) == set(await listed())
    assert (await cli("dlq", "replay", replayed)).code == 0
    done = await cli("dlq", "done", ticked, "--json")
    assert (done.code, done.lines) == (0, [{"letter": ticked, "dealt_with": True}])
    assert set(await listed()) == {kept}
    every = await listed("--all")
    assert datetime.fromisoformat(str(every[replayed])) <= datetime.fromisoformat(str(every[ticked]))
    assert every[kept] is None
    table = await cli("dlq", "list")
    assert "more have been dealt with; --all lists them too" in table.err
    assert f"\u2502 {replayed} " not in table.out
    again = {line.split(" -> ")[0] for line in (await cli("dlq", "replay", "--all")).out.splitlines()}
    assert again == {kept}
    assert (await cli("dlq", "done", "--all")).code == 0
    assert (await cli("dlq", "list", "--json")).lines == []
    assert set(await listed("--all")) == set(every)
    # A mark is no letter.
    assert (await cli("dlq", "show", f"0:{sent[-1].offset + 1}")).code == 1
    assert (await cli("dlq", "show", ticked)).code == 0
    for arguments in (["done"], ["done", ticked, "--all"]):
        assert (await cli("dlq", *arguments)).code == 2


async def _found(client: Any, ecg_id: str) -> bool | None:
    return True if (await client.get(f"/ecgs/{ecg_id}/insights")).status_code == 200 else None
