"""A record of the topics of submissions and chunks, as a worker received it."""

import time
from typing import TypeAlias

import msgspec
from aiokafka.structs import ConsumerRecord

from shared.data_keys import HEADER as DATA_KEY_HEADER
from shared.logging_setup import REQUEST_ID_HEADER, valid_request_id
from shared.messages.erasures import CONTENT_TYPE as ERASURE
from shared.messages.headers import CONTENT_TYPE_HEADER
from shared.messages.recomputations import CONTENT_TYPE as RECOMPUTATION

# In Kafka's protocol, the type of a timestamp that the broker has set, not the producer.
_LOG_APPEND_TIME = 1

Headers: TypeAlias = list[tuple[str, bytes | None]]


class Record(msgspec.Struct, frozen=True):
    """A record as received: its place, its bytes, and its time in milliseconds of Unix time.

    It is the time at which the broker appended the record or, if that is unknown, at which the worker read it.
    `recomputes` is True for a record that was processed before, and that was read again to compute its insights anew.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp: int
    recomputes: bool = False

    def header(self, name: str) -> str | None:
        """Return the last header of this name as text, or None; headers with a null value do not count."""
        for key, value in reversed(self.headers):
            if key == name and value is not None:
                return value.decode("utf-8", "replace")
        return None

    @property
    def is_erasure(self) -> bool:
        """True if the record is an erasure, not an ECG or a chunk."""
        return self.header(CONTENT_TYPE_HEADER) == ERASURE

    @property
    def is_recomputation(self) -> bool:
        """True if the record asks to compute the insights of an ECG again."""
        return self.header(CONTENT_TYPE_HEADER) == RECOMPUTATION

    @property
    def data_key(self) -> str | None:
        """The id of the data key that the record is sealed with, or None."""
        return self.header(DATA_KEY_HEADER)

    @property
    def request_id(self) -> str | None:
        """The id of the request that submitted the record, or None if it is missing or unfit for a log line."""
        return valid_request_id(self.header(REQUEST_ID_HEADER))

    @property
    def log_fields(self) -> dict[str, str]:
        """The request id as a field of a log line, if there is one."""
        return {} if (known := self.request_id) is None else {"request_id": known}


def received(record: ConsumerRecord) -> Record:
    """Return a record as a consumer received it."""
    return Record(
        record.topic,
        record.partition,
        record.offset,
        record.key,
        record.value,
        list(record.headers),
        _appended(record),
    )


def _appended(record: ConsumerRecord) -> int:
    """Return the time at which the broker appended a record, or else the current time of this machine.

    The embedded broker keeps the producer's timestamp, and so do records that are older than the topic's
    `LogAppendTime`. It is not used, because a producer must not choose the position of its ECG in a list.
    """
    return record.timestamp if record.timestamp_type == _LOG_APPEND_TIME else time.time_ns() // 1_000_000
