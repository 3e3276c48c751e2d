"""The dead letter of a record that could not be processed."""

import msgspec

from shared.kafka.clients import message_size
from stream_agents.processing.outcomes import Rejected
from stream_agents.processing.record import Headers, Record


class DeadLetterHeaders(msgspec.Struct, frozen=True, rename=lambda name: "dlq-" + name.replace("_", "-")):
    """The headers that a dead letter adds to those of its record: where the record came from, and why it failed.

    A dead letter that would be too large for its topic has only these headers, without the record's key, value and
    headers; `dlq-left-out-bytes` is then the size of those. The record stays on its source topic for that topic's
    retention time.
    """

    source_topic: str
    source_partition: str
    source_offset: str
    error_class: str
    error_message: str
    left_out_bytes: str | msgspec.UnsetType = msgspec.UNSET


def dead_letter(record: Record, rejected: Rejected, max_bytes: int) -> tuple[bytes | None, bytes | None, Headers]:
    """Return the key, the value and the headers of a rejected record's dead letter, on a topic with this limit.

    They are the record's own, unless these are too large. The limit of the record's topic cannot rule that out, because
    it counts compressed bytes.
    """
    source = (record.topic, str(record.partition), str(record.offset))
    said = DeadLetterHeaders(*source, rejected.error_class, rejected.reason)
    headers = [*record.headers, *_as_headers(said)]
    key, value = record.key, record.value
    if message_size(key, value, headers) > max_bytes:
        left_out = message_size(key, value, record.headers)
        key, value, headers = None, None, _as_headers(msgspec.structs.replace(said, left_out_bytes=str(left_out)))
    # aiokafka refuses to send a record with neither key nor value; other clients send one.
    return (key, b"", headers) if key is None and value is None else (key, value, headers)


def _as_headers(said: DeadLetterHeaders) -> Headers:
    return [(name, text.encode()) for name, text in msgspec.to_builtins(said).items()]
