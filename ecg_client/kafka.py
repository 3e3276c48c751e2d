"""Direct access to the pipeline's topics: produce ECGs and chunks, follow insights, replay and mark dead letters."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord, RecordMetadata
from pydantic import SecretStr, ValidationError

from ecg_client.batch import Outcome, Send
from ecg_client.errors import ClientError, InvalidEcg, TooLarge, Unavailable
from ecg_client.events import Event
from ecg_client.idempotency import ecg_id, recording_id
from ecg_client.live_recordings import StreamProgress
from ecg_client.local import running_stack
from ecg_client.long_files import InThread, SendLong, chunk_of
from ecg_client.outgoing import longest_chunk
from ecg_client.recordings import Recording, Source
from ecg_client.results import parse_insights
from ecg_client.retries import OnOutage
from shared import errors
from shared.chunk import Chunk
from shared.ecg import Content, Ecg, Lead, narrow, narrowed
from shared.encoding import packed, plain
from shared.kafka.clients import new_producer, new_reader
from shared.kafka.topics import Topics
from shared.messages.dead_letters import DEALT_WITH_HEADER
from shared.messages.headers import CONTENT_TYPE_HEADER, FORWARDED_HEADER
from shared.messages.insights import Insights, decode
from shared.settings import UNUSED_SECRET, Settings, problems

_POLL_MS = 200
_TIMEOUT = 30.0
# After this time without an acknowledgement, which usually comes within milliseconds, the user is told.
_SLOW = 2.0
# Headers that the pipeline adds: the reason of a dead letter, and the mark of a message that a worker passed on.
_PIPELINE_HEADERS = ("dlq-", FORWARDED_HEADER)


@dataclass(frozen=True)
class Mark:
    """A record of the topic of dead letters that says that the letter at this place is dealt with, and when (ms)."""

    partition: int
    offset: int
    timestamp: int


@dataclass(frozen=True)
class DeadLetter:
    """A record of the topic of dead letters: a message that could not be processed, and why in its headers."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]

    @property
    def reference(self) -> str:
        """Partition and offset on the topic of dead letters."""
        return f"{self.partition}:{self.offset}"

    @property
    def source(self) -> str:
        """Topic, partition and offset of the original message."""
        return ":".join(self.header(f"dlq-source-{part}") for part in ("topic", "partition", "offset"))

    @property
    def is_whole(self) -> bool:
        """True if it holds the message: one that was too large is left out, and only its place is named."""
        return all(name != "dlq-left-out-bytes" for name, _ in self.headers)

    @property
    def original_headers(self) -> list[tuple[str, bytes | None]]:
        """The headers that its producer sent."""
        return [(name, value) for name, value in self.headers if not name.startswith(_PIPELINE_HEADERS)]

    def header(self, name: str) -> str:
        """Return the last header of this name as text, or nothing."""
        values = [value for header, value in self.headers if header == name]
        return (values[-1] or b"").decode(errors="replace") if values else ""


def settings(bootstrap_servers: str | None) -> Settings:
    """Return the settings for the named Kafka, or else for the stack that runs here, or else from the environment.

    Raises:
        ClientError: if a setting in the environment is not valid.
    """
    stack = running_stack()
    found: dict[str, Any] = {}
    if stack and bootstrap_servers in {None, stack.bootstrap_servers}:
        found = {"bootstrap_servers": stack.bootstrap_servers, "embedded_broker": stack.embedded_broker}
    elif bootstrap_servers:
        found = {"bootstrap_servers": bootstrap_servers}
    try:
        return Settings(secret=SecretStr(UNUSED_SECRET), **found)
    except ValidationError as error:
        raise ClientError(problems(error)[0]) from None


@asynccontextmanager
async def producer(used: Settings) -> AsyncIterator[AIOKafkaProducer]:
    """Yield a started producer whose acknowledged records are durable.

    Raises:
        Unavailable: if Kafka cannot be reached.
    """
    made = new_producer(used)
    async with running(made, used):
        yield made


def producing(to: AIOKafkaProducer, used: Settings, username: str, pack: bool, on_outage: OnOutage) -> Send:
    """Return a function that produces a recording as an ECG of this user and waits until Kafka acknowledges it.

    It raises `TooLarge` if the message is over the limit, and `Unavailable` if Kafka does not acknowledge it.
    """
    topic = Topics(used).submissions.name
    encoding, headers = _encoding(pack)

    async def produce(outcome: Outcome, recording: Recording) -> Outcome:
        leads = tuple(
            Lead(lead.name, narrow(lead.signal.astype("<i8")), lead.adc_gain, lead.missing) for lead in recording.leads
        )
        ecg = Ecg(
            ecg_id(username, recording),
            username,
            recording.date,
            leads,
            recording.sampling_rate,
            recording.label,
        )
        value = encoding.encode(ecg)
        if len(value) > used.max_body_bytes:
            raise TooLarge(f"body: must not be over {used.max_body_bytes} bytes, and is {len(value)}", "body")
        await send(to, topic, value, ecg.id.encode(), headers, on_outage)
        return replace(outcome, ecg_id=ecg.id)

    return produce


def producing_long(to: AIOKafkaProducer, used: Settings, username: str, pack: bool, on_outage: OnOutage) -> SendLong:
    """Return a function that produces a file in chunks, as a recording of this user: announcement, chunks, end.

    All chunks are produced, also those that arrived in an earlier run: a repeat changes nothing.
    """

    async def produce(source: Source, in_thread: InThread) -> AsyncGenerator[StreamProgress]:
        own_id = await in_thread(recording_id, username, source)
        outline = Content(source.date, source.leads, source.sampling_rate, source.label)
        send_chunk = producing_chunks(to, used, pack, on_outage)
        await send_chunk(begun(own_id, username, outline))
        yield StreamProgress(own_id, 0)
        size = longest_chunk(source.sampling_rate or 0.0, len(source.leads))
        for first in range(0, source.number_of_samples, size):
            leads = await in_thread(chunk_of, source, first, size)
            content = Content(None, leads, source.sampling_rate)
            await send_chunk(begun(own_id, username, content, first))
            yield StreamProgress(own_id, min(first + size, source.number_of_samples))
        await send_chunk(begun(own_id, username, Content(None, ()), source.number_of_samples, end=True))
        yield StreamProgress(own_id, source.number_of_samples, ended=True)

    return produce


def begun(own_id: str, username: str, content: Content, first_sample: int = 0, *, end: bool = False) -> Chunk:
    """Return a message of a recording: the announcement has leads without samples, the end has none.

    Raises:
        InvalidEcg: if it breaks a limit of recordings.
    """
    try:
        return Chunk.begun(own_id, username, narrowed(content), first_sample, end=end)
    except errors.InvalidEcg as error:
        raise InvalidEcg(str(error), error.field) from None


def producing_chunks(
    to: AIOKafkaProducer, used: Settings, pack: bool, on_outage: OnOutage
) -> Callable[[Chunk], Awaitable[None]]:
    """Return a function that produces a message of a recording and waits until Kafka acknowledges it.

    It raises `TooLarge` if the message is over the limit, and `Unavailable` if Kafka does not acknowledge it.
    """
    topic = Topics(used).chunks.name
    encoding, headers = _encoding(pack)

    async def produce(chunk: Chunk) -> None:
        value = encoding.encode_chunk(chunk)
        if len(value) > used.max_body_bytes:
            raise TooLarge(f"body: must not be over {used.max_body_bytes} bytes, and is {len(value)}", "body")
        await send(to, topic, value, chunk.id.encode(), headers, on_outage)

    return produce


def _encoding(pack: bool) -> tuple[Any, list[tuple[str, bytes | None]]]:
    """Return the encoding of messages, and their headers."""
    return (packed, [(CONTENT_TYPE_HEADER, packed.CONTENT_TYPE.encode())]) if pack else (plain, [])


async def follow_insights(used: Settings, username: str, ready: asyncio.Event) -> AsyncGenerator[Event]:
    """Yield a user's insights as they come; none that comes after `ready` is set is missed.

    Raises:
        Unavailable: if Kafka cannot be reached.
    """
    async with reading(used, Topics(used).insights.name) as reader:
        for partition, end in (await reader.end_offsets(reader.assignment())).items():
            reader.seek(partition, end)
        ready.set()
        while True:
            for records in (await reader.getmany(timeout_ms=_POLL_MS)).values():
                for record in records:
                    row = _row(record)
                    if row is not None and row.username == username:
                        yield _event(record, row)


async def dead_letters(used: Settings) -> AsyncGenerator[DeadLetter | Mark]:
    """Yield the dead letters and the marks that are on the topic now, those of each partition in order.

    Raises:
        Unavailable: if Kafka cannot be reached.
    """
    async with reading(used, Topics(used).dlq.name) as reader:
        begins = await reader.beginning_offsets(reader.assignment())
        ends = await reader.end_offsets(reader.assignment())
        ranges = {partition: (begin, ends[partition]) for partition, begin in begins.items()}
        async for letter in _letters(reader, ranges):
            yield letter


async def dead_letter(used: Settings, partition: int, offset: int) -> DeadLetter | None:
    """Return one dead letter, or None if there is none at this place, or only a mark.

    Raises:
        Unavailable: if Kafka cannot be reached.
    """
    async with reading(used, Topics(used).dlq.name) as reader:
        where = TopicPartition(Topics(used).dlq.name, partition)
        if where not in reader.assignment():
            return None
        begin = (await reader.beginning_offsets([where]))[where]
        end = (await reader.end_offsets([where]))[where]
        if not begin <= offset < end:
            return None
        async with aclosing(_letters(reader, {where: (offset, end)})) as letters:
            letter = await anext(letters, None)
        return letter if isinstance(letter, DeadLetter) and letter.offset == offset else None


async def replay(to: AIOKafkaProducer, used: Settings, letter: DeadLetter, on_outage: OnOutage) -> str:
    """Produce a dead letter again as it was sent, and return its new place: topic, partition and offset.

    Raises:
        Unavailable: if Kafka does not acknowledge it.
    """
    topics = Topics(used)
    # Whatever the letter says: it goes to a topic that workers read.
    topic = topics.chunks if letter.header("dlq-source-topic") == topics.chunks.name else topics.submissions
    sent = await send(to, topic.name, letter.value, letter.key, letter.original_headers, on_outage)
    return f"{sent.topic}:{sent.partition}:{sent.offset}"


async def mark_dealt_with(
    to: AIOKafkaProducer, used: Settings, partition: int, offset: int, on_outage: OnOutage
) -> None:
    """Mark a dead letter as dealt with: a record behind it on its partition, which is kept as long as the letter.

    Raises:
        Unavailable: if Kafka does not acknowledge it.
    """
    # aiokafka sends no record with neither key nor value.
    headers: list[tuple[str, bytes | None]] = [(DEALT_WITH_HEADER, str(offset).encode())]
    await send(to, Topics(used).dlq.name, b"", None, headers, on_outage, partition)


async def send(  # noqa: PLR0917 - a record's parts
    to: AIOKafkaProducer,
    topic: str,
    value: bytes | None,
    key: bytes | None,
    headers: Sequence[tuple[str, bytes | None]],
    on_outage: OnOutage,
    partition: int | None = None,
) -> RecordMetadata:
    """Send a record and wait until it is durable; `on_outage` is called if that takes long.

    Raises:
        Unavailable: if Kafka does not acknowledge it.
    """

    def tell() -> None:
        on_outage(Unavailable("Kafka does not acknowledge"), _TIMEOUT - _SLOW)

    telling = asyncio.get_running_loop().call_later(_SLOW, tell)
    try:
        async with asyncio.timeout(_TIMEOUT):
            return await to.send_and_wait(topic, value, key, partition, headers=list(headers))
    except (KafkaError, TimeoutError) as error:
        raise Unavailable(f"Kafka does not acknowledge ({type(error).__name__})") from None
    finally:
        telling.cancel()


async def _letters(
    reader: AIOKafkaConsumer, ranges: dict[TopicPartition, tuple[int, int]]
) -> AsyncGenerator[DeadLetter | Mark]:
    """Yield the dead letters and marks in ranges of offsets, with their begins (inclusive) and ends (exclusive)."""
    unread = {partition: end for partition, (begin, end) in ranges.items() if begin < end}
    reader.pause(*(reader.assignment() - unread.keys()))
    for partition in unread:
        reader.seek(partition, ranges[partition][0])
    while unread:
        for partition, records in (await reader.getmany(*unread, timeout_ms=_POLL_MS)).items():
            for record in records:
                if record.offset < unread[partition]:
                    yield _letter(record)
        for partition, end in list(unread.items()):
            if await reader.position(partition) >= end:
                reader.pause(partition)
                del unread[partition]


def _letter(record: ConsumerRecord) -> DeadLetter | Mark:
    letter = DeadLetter(
        record.partition, record.offset, record.timestamp, record.key, record.value, tuple(record.headers)
    )
    named = letter.header(DEALT_WITH_HEADER)
    # A worker adds the source to every letter, so a producer cannot have its own letter taken for a mark.
    if letter.header("dlq-source-topic") or not named.isdecimal():
        return letter
    return Mark(record.partition, int(named), record.timestamp)


@asynccontextmanager
async def reading(used: Settings, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
    """Yield a started consumer of a whole topic, from its beginning.

    Raises:
        Unavailable: if Kafka cannot be reached.
    """
    reader = new_reader(used)
    reader.subscribe([topic])
    async with running(reader, used):
        yield reader


@asynccontextmanager
async def running(client: AIOKafkaConsumer | AIOKafkaProducer, used: Settings) -> AsyncIterator[None]:
    """Start a client, and stop it when the block ends.

    Raises:
        Unavailable: if Kafka cannot be reached.
    """
    try:
        await client.start()
        yield
    except KafkaError as error:
        raise Unavailable(f"Kafka at {used.bootstrap_servers} does not answer ({type(error).__name__})") from None
    finally:
        await client.stop()


def _event(record: ConsumerRecord, row: Insights) -> Event:
    insights = None if row.error is not None else parse_insights(orjson.loads(record.value or b""))
    # The label of a sealed submission is sealed as well, and only gateways open it.
    return Event(f"{record.partition}:{record.offset}", row.ecg_id, insights, row.error, row.label, summary=row.summary)


def _row(record: ConsumerRecord) -> Insights | None:
    """Return the row of an ECG in a record, or None if it has none."""
    try:
        row = decode(record.value) if record.value else None
    except ValueError:
        return None
    return row if row is None or not row.is_recording else None
