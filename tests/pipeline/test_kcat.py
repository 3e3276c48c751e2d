"""The contract on Kafka, checked with another client: the real kcat, which uses librdkafka, on Apache Kafka."""

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from shared.ecg import Ecg, Lead
from shared.encoding import packed, plain
from shared.kafka.clients import partition_for
from shared.kafka.topic import Topic
from shared.kafka.topics import Topics
from shared.security.ids import IdIssuer
from tests.support.conditions import eventually
from tests.support.ecgs import crossings, insights
from tests.support.messages import found, message
from tests.support.pipeline import PARTITIONS, SECRET, Pipeline
from tests.support.tools import missing

pytestmark = pytest.mark.kafka

ONE_CROSSING = [{"name": "I", "number_of_zero_crossings": 1}]


@dataclass(frozen=True)
class Message:
    """A message as kcat reads it."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: dict[str, str]


@dataclass(frozen=True)
class Kcat:
    """kcat on the pipeline's broker."""

    servers: str
    directory: Path
    env: dict[str, str]
    # In milliseconds since 1970. Other tests use the same topics: only later records are read.
    since: int = field(default_factory=lambda: int(time.time() * 1000) - 1000)

    def __call__(self, *arguments: str) -> bytes:
        command = ["kcat", "-b", self.servers, *arguments]
        done = subprocess.run(command, env=self.env, capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def produce(self, topic: Topic, value: bytes, *options: str) -> None:
        """Produce one message with any bytes."""
        file = self.directory / "message"
        file.write_bytes(value)
        self("-P", "-t", topic.name, *options, str(file))

    def read(self, topic: Topic, *options: str) -> bytes:
        """Return kcat's output for the messages of a topic."""
        return self("-C", "-t", topic.name, "-o", f"s@{self.since}", "-e", "-q", *options)

    def consume(self, topic: Topic) -> list[Message]:
        """Return the messages of a topic."""
        # The lengths are printed first, because keys and values may contain any byte.
        out = io.BytesIO(
            self("-C", "-t", topic.name, "-o", f"s@{self.since}", "-e", "-q", "-f", "%p %o %K %S\n%k%s%h\n")
        )
        messages = []
        while lengths := out.readline():
            partition, offset, key_length, length = map(int, lengths.split())
            key = None if key_length < 0 else out.read(key_length)
            value, headers = out.read(length), out.readline().rstrip(b"\n").decode()
            pairs = re.split(r",(?=[a-z-]+=)", headers) if headers else []
            messages.append(Message(partition, offset, key, value, dict(pair.split("=", 1) for pair in pairs)))
        return messages

    async def message(self, topic: Topic, key: bytes) -> Message:
        """Wait for a message with this key, and return the last one."""

        async def probe() -> Message | None:
            return next((m for m in reversed(self.consume(topic)) if m.key == key), None)

        return await eventually(probe, what=f"{key!r} on {topic.name}")


@pytest.fixture
def kcat(pipeline: Pipeline, tmp_path: Path) -> Kcat:
    if shutil.which("kcat") is None:
        missing("kcat is not installed (apt-get install kcat, brew install kcat)")
    if pipeline.broker.embedded:
        pytest.skip("kcat cannot talk to the embedded broker")
    if pipeline.broker.security:
        pytest.skip("Debian's librdkafka fails to log in with SCRAM-SHA-512")
    configuration = tmp_path / "kcat.conf"
    configuration.write_text("".join(f"{name}={value}\n" for name, value in pipeline.librdkafka.items()))
    return Kcat(pipeline.bootstrap_servers, tmp_path, {**os.environ, "KCAT_CONFIG": str(configuration)})


@pytest.fixture
def topics(pipeline: Pipeline) -> Topics:
    return Topics(pipeline.settings)


async def test_a_message_without_headers_is_processed_and_only_its_owner_reads_the_insights(
    pipeline: Pipeline, kcat: Kcat, topics: Topics
) -> None:
    token, stranger = await pipeline.register("user"), await pipeline.register("stranger")
    ecg = {"id": "my-ecg-1", "username": "user", "leads": [{"name": "I", "signal": [1, -1, 1]}]}
    kcat.produce(topics.submissions, json.dumps(ecg).encode(), "-k", "my-ecg-1")
    assert await found(pipeline, token, "my-ecg-1") == [{"name": "I", "number_of_zero_crossings": 2}]
    async with pipeline.client(token=stranger) as client:
        assert (await client.get("/ecgs/my-ecg-1/insights")).status_code == 404


@pytest.mark.parametrize("encoding", [plain, packed], ids=["JSON", "packed"])
async def test_a_content_type_header_names_the_encoding(
    pipeline: Pipeline, kcat: Kcat, topics: Topics, encoding: Any
) -> None:
    token = await pipeline.register("device")
    signal = [1, 0, -1, 0, 1, 0, 0, 1]
    ecg = Ecg(str(uuid.uuid4()), "device", None, (Lead("I", np.array(signal, np.int64)),))
    kcat.produce(topics.submissions, encoding.encode(ecg), "-k", ecg.id, "-H", f"content-type={encoding.CONTENT_TYPE}")
    assert await found(pipeline, token, ecg.id) == [{"name": "I", "number_of_zero_crossings": crossings(signal)}]


@pytest.mark.parametrize("key", [("-k", "another key"), ("-k", ""), ()], ids=["another", "empty", "none"])
async def test_a_key_that_is_not_the_id_does_no_harm(
    pipeline: Pipeline, kcat: Kcat, topics: Topics, key: tuple[str, ...]
) -> None:
    token, body = await pipeline.register("keyless"), message("keyless")
    kcat.produce(topics.submissions, orjson.dumps(body), *key)
    assert await found(pipeline, token, body["id"]) == ONE_CROSSING
    assert (await kcat.message(topics.insights, body["id"].encode())).headers.keys() == {"message-offset"}


async def test_an_ecg_of_many_megabytes_needs_only_an_option_of_the_client(
    pipeline: Pipeline, kcat: Kcat, topics: Topics
) -> None:
    token = await pipeline.register("holter")
    signal = [1000, -1000] * 1_000_000
    body = message("holter", leads=[{"name": "I", "signal": signal}])
    kcat.produce(topics.submissions, orjson.dumps(body), "-k", body["id"], "-X", "message.max.bytes=17825792")
    assert await found(pipeline, token, body["id"]) == [{"name": "I", "number_of_zero_crossings": len(signal) - 1}]


async def test_insights_are_json_for_any_consumer(pipeline: Pipeline, kcat: Kcat, topics: Topics) -> None:
    token, body = await pipeline.register("downstream"), message("downstream")
    kcat.produce(topics.submissions, orjson.dumps(body), "-k", body["id"])
    await found(pipeline, token, body["id"])
    lines = kcat.read(topics.insights, "-J").splitlines()
    [row] = [record for record in map(json.loads, lines) if record["key"] == body["id"]]
    insights_row = json.loads(row["payload"])
    accepted, offset = insights_row.pop("accepted"), insights_row.pop("offset")
    assert insights_row == {
        "ecg_id": body["id"],
        "username": "downstream",
        "leads": ONE_CROSSING,
        "number_of_samples": [len(lead["signal"]) for lead in body["leads"]],
        "versions": {"number_of_zero_crossings": 1},
    }
    # There are two if kcat chose another partition for the key than the pipeline does.
    submissions = [m for m in kcat.consume(topics.submissions) if m.key == body["id"].encode()]
    assert offset in {submission.offset for submission in submissions}
    assert accepted == pytest.approx(1000 * time.time(), abs=600_000)


ISSUED_TO_SOMEBODY = IdIssuer(SECRET).issue("somebody")
POISON: dict[str, tuple[str, bytes, str, str]] = {
    "not JSON": ("poison-1", b"\x00\xff,\n=\r\n", "", "InvalidEcg: body: "),
    "no leads": ("poison-2", b'{"id": "poison-2", "username": "poison"}', "", "InvalidEcg: leads: "),
    "no owner": ("poison-3", b'{"id": "poison-3", "leads": []}', "", "InvalidEcg: username: "),
    "an unknown encoding": ("poison-4", b"<ecg/>", "text/xml", "UnknownEncoding: content-type: "),
    "an id of somebody else": (
        ISSUED_TO_SOMEBODY,
        orjson.dumps(message("poison", ISSUED_TO_SOMEBODY)),
        plain.CONTENT_TYPE,
        "IdTaken: id: ",
    ),
}


@pytest.mark.parametrize("kind", POISON)
async def test_poison_becomes_a_dead_letter_byte_for_byte_and_the_partition_moves_on(
    pipeline: Pipeline, kcat: Kcat, topics: Topics, kind: str
) -> None:
    key, value, content_type, reason = POISON[kind]
    sent = {"trace": "17", **({"content-type": content_type} if content_type else {})}
    options = [option for name, text in sent.items() for option in ("-H", f"{name}={text}")]
    # With the hash of Java's clients, so that no worker has to forward the message.
    kcat.produce(topics.submissions, value, "-k", key, *options, "-X", "partitioner=murmur2_random")
    source = await kcat.message(topics.submissions, key.encode())
    assert source.partition == partition_for(key.encode(), PARTITIONS)
    token, good = await pipeline.register("poison"), message("poison")
    kcat.produce(topics.submissions, orjson.dumps(good), "-k", good["id"], "-p", str(source.partition))
    assert await found(pipeline, token, good["id"]) == ONE_CROSSING

    letter = await kcat.message(topics.dlq, key.encode())
    assert letter.value == source.value == value
    error_class, error_message = letter.headers.pop("dlq-error-class"), letter.headers.pop("dlq-error-message")
    assert f"{error_class}: {error_message}".startswith(reason)
    assert letter.headers == {
        **sent,
        "dlq-source-topic": topics.submissions.name,
        "dlq-source-partition": str(source.partition),
        "dlq-source-offset": str(source.offset),
    }


async def test_a_submission_over_http_is_a_packed_message_that_names_its_owner(
    pipeline: Pipeline, kcat: Kcat, topics: Topics
) -> None:
    async with pipeline.client(token=await pipeline.register("clinic")) as client:
        answer = await client.post("/ecgs", json={"leads": [{"name": "I", "signal": [1, -300]}]})
        ecg_id = answer.json()["id"]
        submission = await kcat.message(topics.submissions, ecg_id.encode())
        await insights(client, ecg_id)
    assert submission.headers == {
        "content-type": "application/vnd.ecg.v1+msgpack",
        "username": "clinic",
        "x-request-id": answer.headers["x-request-id"],
    }
    ecg = packed.decode(submission.value)
    assert (ecg.id, ecg.username) == (ecg_id, "clinic")
    assert [(lead.name, lead.signal.tolist()) for lead in ecg.leads] == [("I", [1, -300])]


async def test_the_users_topic_holds_digests_and_no_token(pipeline: Pipeline, kcat: Kcat, topics: Topics) -> None:
    token = await pipeline.register("discreet")
    record = await kcat.message(topics.users, b"discreet")
    user = json.loads(record.value)
    assert set(user) == {"username", "token_digest", "created_at", "issued_at"}
    assert user["token_digest"] == hashlib.sha256(token.encode()).hexdigest()
    everything = kcat.read(topics.users, "-J")
    assert b"discreet" in everything
    assert token.encode() not in everything


async def test_the_topics_are_listed_with_their_partitions(kcat: Kcat, topics: Topics) -> None:
    listed = json.loads(kcat("-L", "-J"))["topics"]
    partitions = {topic["topic"]: len(topic["partitions"]) for topic in listed}
    assert {topic.name: partitions.get(topic.name) for topic in topics} == {
        topics.submissions.name: PARTITIONS,
        topics.chunks.name: PARTITIONS,
        topics.insights.name: PARTITIONS,
        topics.dlq.name: PARTITIONS,
        topics.users.name: 1,
        topics.keys.name: 1,
        topics.workers.name: 1,
        topics.audit.name: PARTITIONS,
    }
