"""Files that are sent in chunks: which files, the chunks that are sent, and their reports."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import wfdb

from ecg_client import AsyncEcgClient, Calibration, ClientError, Recording, read
from ecg_client.batch import Batch, Outcome, Ways, send_all, submitting, waiting_for_insights
from ecg_client.idempotency import recording_id, recording_key
from ecg_client.long_files import LARGEST_MESSAGE, chunk_of, is_too_large, submitting_long
from ecg_client.recordings import Source, open_source, read_or_open, source_of
from shared.ecg import Content
from shared.encoding import packed
from tests.support.canned_gateway import CannedGateway, canned_gateway
from tests.support.conditions import eventually

RATE, MINUTES = 2, 5
SAMPLES = RATE * 60 * MINUTES - 7
SIGNAL = np.arange(SAMPLES) % 100 - 50


class Told:
    """A report that keeps the progress and the outcomes of files."""

    def __init__(self) -> None:
        self.progressed: list[Outcome] = []
        self.outcomes: list[Outcome] = []

    def progress(self, outcome: Outcome) -> None:
        self.progressed.append(outcome)

    def done(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


@pytest.fixture
def gateway() -> Iterator[CannedGateway]:
    with canned_gateway() as served:
        served.answer("POST /recordings", 201, {"id": "rec-1"})
        served.answer("POST /recordings/rec-1/chunks", 201, {})
        served.answer("POST /recordings/rec-1/end", 201, {})
        served.answer("GET /recordings/rec-1/insights", 202, {"detail": "still"})
        yield served


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """A WFDB record of five minutes, less some samples."""
    signals = np.stack([SIGNAL, -SIGNAL], axis=1)
    wfdb.wrsamp("night", RATE, ["mV", "mV"], ["I", "II"], d_signal=signals, fmt=["16", "16"], adc_gain=[200.0, 100.0],
                baseline=[0, 0], write_dir=str(tmp_path))  # fmt: skip
    return tmp_path / "night.hea"


def found(**changed: Any) -> dict[str, Any]:
    leads = [
        {"name": name, "adc_gain": gain, "number_of_zero_crossings": 7} for name, gain in (("I", 200), ("II", 100))
    ]
    return {
        "id": "rec-1",
        "username": "clinic",
        "date": None,
        "accepted_at": "2026-11-24T10:00:00.123Z",
        "sampling_rate": 2.0,
        "number_of_samples": SAMPLES,
        "complete_until": SAMPLES,
        "final": True,
        "revision": 0,
        "gaps": [],
        "refused": {"number": 0, "latest": []},
        "leads": leads,
    } | changed


def chunks(gateway: CannedGateway) -> list[tuple[int, Content]]:
    sent = zip(gateway.requests, gateway.bodies, strict=True)
    return [packed.decode_chunk_content(body) for call, body in sent if call.endswith("/chunks")]


async def sent(
    gateway: CannedGateway, *files: Path, chunked: bool = True, wait: bool = False, rate: float | None = None
) -> tuple[Told, ClientError | None]:
    """Send files, and return the report and the error that stopped the batch."""
    told = Told()
    async with AsyncEcgClient(gateway.url, "token", retry_for=0) as client:
        stopped = await send_all(
            Batch(list(files)),
            Calibration(sampling_rate=rate),
            Ways(submitting(client), submitting_long(client), chunked),
            told,
            concurrency=2,
            label=True,
            finish=waiting_for_insights(client, 5) if wait else None,
        )
    return told, stopped


async def test_a_file_is_sent_in_chunks_of_a_minute(gateway: CannedGateway, record: Path) -> None:
    told, stopped = await sent(gateway, record)
    assert stopped is None
    [outcome] = told.outcomes
    assert (outcome.ecg_id, outcome.recording, outcome.samples, outcome.sent, outcome.error) == (
        *("rec-1", True, SAMPLES, None, None),
    )
    assert "is sent in chunks, as a recording" in outcome.notes
    assert [first for first, _ in chunks(gateway)] == [120 * minute for minute in range(MINUTES)]
    signals = [np.concatenate([content.leads[i].signal for _, content in chunks(gateway)]) for i in range(2)]
    assert np.array_equal(signals, [SIGNAL, -SIGNAL])
    assert orjson.loads(gateway.bodies[0]) == {
        "leads": [{"name": "I", "adc_gain": 200.0}, {"name": "II", "adc_gain": 100.0}],
        "sampling_rate": 2.0,
        "label": "night.hea",
    }
    assert orjson.loads(gateway.bodies[-1]) == {"number_of_samples": SAMPLES}
    assert [each.sent for each in told.progressed] == [0, 120, 240, 360, 480, SAMPLES, None]


async def test_chunks_that_have_come_are_not_sent_again(gateway: CannedGateway, record: Path) -> None:
    gateway.answers["GET /recordings/rec-1/insights"] = [
        (200, found(final=False, complete_until=360, number_of_samples=480, gaps=[[130, 1]]))
    ]
    await sent(gateway, record)
    assert [first for first, _ in chunks(gateway)] == [120, 360, 480]
    gateway.answers["GET /recordings/rec-1/insights"] = [(200, found())]
    del gateway.requests[:], gateway.bodies[:]
    await sent(gateway, record)
    assert gateway.requests == ["POST /recordings", "GET /recordings/rec-1/insights"]


@pytest.mark.parametrize("status", [404, 503])
async def test_without_insights_all_chunks_are_sent(gateway: CannedGateway, record: Path, status: int) -> None:
    gateway.answers["GET /recordings/rec-1/insights"] = [(status, {"detail": "erased, or no worker"})]
    told, _ = await sent(gateway, record)
    assert told.outcomes[0].error is None
    assert len(chunks(gateway)) == MINUTES


async def test_an_outage_says_how_much_is_stored(gateway: CannedGateway, record: Path) -> None:
    gateway.answers["POST /recordings/rec-1/chunks"] = [(201, {}), (503, {"detail": "Kafka does not answer"})]
    told, stopped = await sent(gateway, record)
    assert str(stopped) == "Kafka does not answer"
    assert told.outcomes[0].error == f"Kafka does not answer; 120 of its {SAMPLES} samples are stored"


async def test_an_interrupt_says_how_much_is_stored(gateway: CannedGateway, record: Path) -> None:
    gateway.answers["POST /recordings/rec-1/chunks"] = [(201, {}), (0, None)]
    told = Told()
    async with AsyncEcgClient(gateway.url, "token") as client:
        ways = Ways(submitting(client), submitting_long(client), True)
        sending = asyncio.create_task(send_all(Batch([record]), Calibration(), ways, told, concurrency=1, label=True))
        await eventually(
            lambda: asyncio.sleep(0, gateway.requests.count("POST /recordings/rec-1/chunks") > 1 or None),
            what="the second chunk",
        )
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
    assert told.outcomes[0].error == f"interrupted; 120 of its {SAMPLES} samples are stored"


async def test_waiting_for_a_file_in_chunks_returns_the_insights_of_all_of_it(
    gateway: CannedGateway, record: Path
) -> None:
    gateway.answers["GET /recordings/rec-1/insights"] = [
        (202, {"detail": "still"}),
        (200, found(complete_until=120, final=False)),
        (200, found(gaps=[[0, 1]])),
        (200, found()),
    ]
    told, _ = await sent(gateway, record, wait=True)
    [outcome] = told.outcomes
    assert outcome.insights is not None
    assert [lead.number_of_zero_crossings for lead in outcome.insights.leads] == [7, 7]
    refused = found(refused={"number": 2, "latest": ["leads: a", "leads: b"]})
    gateway.answers["GET /recordings/rec-1/insights"] = [(202, {}), (200, refused)]
    told, _ = await sent(gateway, record, wait=True)
    assert told.outcomes[0].error == "2 messages were refused, the last one: leads: b"


async def test_a_small_file_is_one_message(gateway: CannedGateway, record: Path) -> None:
    gateway.answer("POST /ecgs", 201, {"id": "ecg-1"})
    told, _ = await sent(gateway, record, chunked=False)
    assert gateway.requests == ["POST /ecgs"]
    assert (told.outcomes[0].ecg_id, told.outcomes[0].recording, told.outcomes[0].notes) == ("ecg-1", False, ())


async def test_a_file_that_a_gateway_finds_too_large_is_sent_in_chunks(gateway: CannedGateway, record: Path) -> None:
    gateway.answer("POST /ecgs", 413, {"detail": "body: must not be over 1000 bytes", "field": "body"})
    told, _ = await sent(gateway, record, chunked=False)
    assert len(chunks(gateway)) == MINUTES
    assert (told.outcomes[0].ecg_id, told.outcomes[0].error) == ("rec-1", None)


async def test_a_file_without_a_sampling_rate_says_what_to_do(gateway: CannedGateway, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(orjson.dumps({"leads": [{"name": "I", "signal": [1, -1]}]}))
    told, _ = await sent(gateway, file)
    [outcome] = told.outcomes
    assert (outcome.field, gateway.requests) == ("sampling_rate", [])
    assert (outcome.error or "").endswith("give it with --sampling-rate")
    told, _ = await sent(gateway, file, rate=2)
    assert told.outcomes[0].error is None


async def test_a_file_with_too_many_leads_is_refused_before_it_is_sent(gateway: CannedGateway, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    leads = [{"name": str(number), "signal": [1]} for number in range(65)]
    file.write_bytes(orjson.dumps({"leads": leads, "sampling_rate": 2}))
    told, _ = await sent(gateway, file)
    assert told.outcomes[0].error == "leads: must hold at most 64 leads in a recording, not 65"
    assert gateway.requests == []


def test_a_file_is_opened_without_its_samples_only_if_it_is_large(record: Path) -> None:
    assert isinstance(read_or_open(record, Calibration(), 2 * SAMPLES), Recording)
    assert isinstance(read_or_open(record, Calibration(), 2 * SAMPLES - 1), Source)


def test_what_is_too_large_for_a_message_is_judged_by_its_bytes() -> None:
    size = LARGEST_MESSAGE // 2
    assert not is_too_large(Recording.of({"I": np.full(size - 1000, 300, np.int64)}))
    assert is_too_large(Recording.of({"I": np.full(size, 300, np.int64)}))
    # As 32-bit integers it is too large, and in JSON it is not.
    spike = np.zeros(size - 1000, np.int32)
    spike[0] = 1 << 20
    assert not is_too_large(Recording.of({"I": spike}))


def test_leads_that_end_early_are_missing_in_later_chunks() -> None:
    source = source_of(Recording.of([("I", [1, 2, 3, 4, 5]), ("II", [6, 7, 8])], sampling_rate=2), Calibration(), "a")
    first, second = chunk_of(source, 0, 4), chunk_of(source, 4, 4)
    assert [lead.signal.tolist() for lead in (*first, *second)] == [[1, 2, 3, 4], [6, 7, 8, 0], [5], [0]]
    assert [lead.missing for lead in (*first, *second)] == [(), ((3, 1),), (), ((0, 1),)]


def test_a_file_has_the_same_key_whatever_its_label_and_another_if_its_samples_differ(
    record: Path, tmp_path: Path
) -> None:
    stored, in_memory = open_source(record), source_of(read(record), Calibration(), record.name)
    key = recording_key(stored)
    assert key == recording_key(in_memory)
    assert recording_id("clinic", stored) == recording_id("clinic", in_memory) != recording_id("other", stored)
    with (tmp_path / "night.dat").open("r+b") as file:
        file.seek(4 * SAMPLES - 1)
        file.write(b"\x01")
    assert recording_key(open_source(record)) != key
