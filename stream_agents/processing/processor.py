"""What becomes of one record of the submissions topic: a pure function from record to outcome."""

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from shared import encoding
from shared.ecg import Ecg
from shared.errors import InvalidEcg
from shared.kafka.clients import message_size, partition_for
from shared.logging_setup import REQUEST_ID_HEADER, valid_request_id
from shared.messages import insights
from shared.messages.erasures import CONTENT_TYPE as ERASURE
from shared.messages.erasures import Erasures
from shared.security.data_keys import HEADER as DATA_KEY_HEADER
from shared.security.data_keys import DataKeys, KeyDestroyed
from shared.security.ids import IdIssuer, is_issued
from shared.security.sealing import Broken
from shared.settings import MIB
from shared.worker_protocol.listing import position
from stream_agents.insights import INSIGHTS
from stream_agents.table import owner_index

CONTENT_TYPE_HEADER = "content-type"
USERNAME_HEADER = "username"
FORWARDED_HEADER = "forwarded-from"

# A message may be so much larger than the largest ECG, and still grow a little: the topic takes a MiB more.
_FORWARDED_ROOM = MIB // 2

Headers: TypeAlias = list[tuple[str, bytes | None]]


class DeadLetterHeaders(msgspec.Struct, frozen=True, rename=lambda name: "dlq-" + name.replace("_", "-")):
    """What a dead letter's headers say on top of those that its record had: whence it came, and why it is one.

    One that would be larger than its topic takes has these alone, without the record's key, value and headers, and
    `dlq-left-out-bytes` says how large they are. The record stays where it came from as long as that topic keeps it.
    """

    source_topic: str
    source_partition: str
    source_offset: str
    error_class: str
    error_message: str
    left_out_bytes: str | msgspec.UnsetType = msgspec.UNSET


class Record(msgspec.Struct, frozen=True):
    """A record as received: where it stood, its bytes, and the time in milliseconds of Unix time.

    The time is the broker's, of when it appended the record, or else the worker's, of when it read it.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp: int

    def header(self, name: str) -> str | None:
        """Return the last header of this name as text, if there is one that holds something: Kafka has null headers."""
        for key, value in reversed(self.headers):
            if key == name and value is not None:
                return value.decode("utf-8", "replace")
        return None

    @property
    def is_erasure(self) -> bool:
        """Whether it says what is to be erased, and is no ECG."""
        return self.header(CONTENT_TYPE_HEADER) == ERASURE

    @property
    def data_key(self) -> str | None:
        """The id of the key that it is sealed with, if it is."""
        return self.header(DATA_KEY_HEADER)

    @property
    def request_id(self) -> str | None:
        """The id of the request that submitted it, if it is one that may stand in a log line."""
        return valid_request_id(self.header(REQUEST_ID_HEADER))


class Stored(msgspec.Struct, frozen=True):
    """The record's insights, a row of the table, and its key in the index of its owner's ECGs."""

    key: bytes
    row: bytes
    entry: bytes


class Erased(msgspec.Struct, frozen=True):
    """The ECG is erased: the row that remains, and the key that it had in the index, if it had one."""

    key: bytes
    row: bytes
    entry: bytes


class UserErased(msgspec.Struct, frozen=True):
    """All of a user's ECGs in the record's partition that stand before it are to be erased."""

    username: str


class Ignored(msgspec.Struct, frozen=True):
    """The record changes nothing: it comes again after an erasure behind it, or erases what is not there."""


class Misplaced(msgspec.Struct, frozen=True):
    """The record belongs to the partition of another key: its producer hashes keys in another way."""

    key: bytes


class Rejected(msgspec.Struct, frozen=True):
    """The record cannot be processed: it becomes a dead letter, and a row where its owner may ask for it."""

    error_class: str
    reason: str
    stored: Stored | Erased | None = None


Outcome: TypeAlias = Stored | Erased | UserErased | Ignored | Misplaced | Rejected
FindRow: TypeAlias = Callable[[int, bytes], bytes | None]


class Processor:
    """Decides what becomes of a record.

    Args:
        issuer: recognises the ids that gateways issued.
        erasures: recognises the erasures that gateways sealed.
        keys: opens the submissions that gateways sealed.
        partitions: number of partitions of the submissions topic.
        max_bytes: size of the largest message that is processed.
        find_row: returns the row that is stored for a key in a partition of the table.
    """

    def __init__(
        self,
        issuer: IdIssuer,
        erasures: Erasures,
        keys: DataKeys,
        *,
        partitions: int,
        max_bytes: int,
        find_row: FindRow,
    ) -> None:
        self._issuer = issuer
        self._erasures = erasures
        self._keys = keys
        self._partitions = partitions
        self._max_bytes = max_bytes
        self._find_row = find_row

    def process(self, record: Record) -> Outcome:
        """Return the outcome of a record; no content of it makes this raise."""
        return self._erase(record) if record.is_erasure else self._compute(record)

    def _compute(self, record: Record) -> Outcome:
        try:
            ecg = self._decode(record)
        except KeyDestroyed:
            return self._lost(record)
        except InvalidEcg as error:
            return self._reject(record, error, error.ecg_id, error.username)
        key = ecg.id.encode()
        if self._is_misplaced(record, key):
            return self._forward(record, key)
        existing = self._existing(record.partition, key)
        if refusal := self._refuse(record, ecg.id, ecg.username, existing):
            return refusal
        try:
            return _stored(
                insights.Insights(
                    ecg.id,
                    ecg.username,
                    compute(ecg),
                    date=ecg.date,
                    number_of_samples=[lead.signal.size for lead in ecg.leads],
                    accepted=_accepted(record, existing),
                    offset=record.offset,
                    **self._label(record, ecg),
                )
            )
        except KeyboardInterrupt:
            raise
        except insights.RowTooLarge as error:
            problem, error_class = InvalidEcg("leads", f"their insights are {error}"), type(error).__name__
        except BaseException as error:  # what panics in Rust is no Exception
            # Whatever an insight raises or returns is about this ECG only. The error's text may hold samples, its type
            # may not.
            problem = InvalidEcg("leads", f"an insight could not be computed ({type(error).__name__})")
            error_class = "ComputationError"
        return self._reject(record, problem, ecg.id, ecg.username, error_class)

    def _erase(self, record: Record) -> Outcome:
        try:
            erasure = self._erasures.open(record.value)
        except ValueError:
            return Rejected("NotSealed", "erasure: is not sealed by a gateway of this deployment")
        if erasure.ecg_id is None:
            return UserErased(erasure.username)
        key = erasure.ecg_id.encode()
        if self._is_misplaced(record, key):
            return Rejected("Misplaced", "erasure: is not in its key's partition")
        existing = self._existing(record.partition, key)
        if existing is None or existing.erased:
            # No row says whose it is; the id does, if a gateway issued it.
            owned = self._issuer.belongs(erasure.ecg_id, erasure.username)
        else:
            owned = existing.username == erasure.username
        if not owned or (existing is not None and existing.offset > record.offset):
            return Ignored()
        return erased(existing or insights.Insights(erasure.ecg_id, erasure.username), record.offset)

    def _decode(self, record: Record) -> Ecg:
        value = record.value
        if value is None:
            raise InvalidEcg("value", "is empty")
        if (key_id := record.data_key) is not None:
            value = self._open(record, key_id, value)
        if len(value) > self._max_bytes:
            raise InvalidEcg("value", f"is larger than {self._max_bytes} bytes", **self._identity(record))
        try:
            return encoding.decode(value, record.header(CONTENT_TYPE_HEADER))
        except InvalidEcg as error:
            if error.ecg_id is None or error.username is None:
                # Gateways name the owner beside the message too, so that even an unreadable one has an answer.
                identity = self._identity(record)
                error.ecg_id, error.username = identity["ecg_id"], identity["username"]
            raise
        except Exception as error:
            # Nothing is known to raise this; whatever it is, it is about this message only, and ends no worker.
            raise InvalidEcg("body", f"could not be read ({type(error).__name__})", **self._identity(record)) from None

    def _label(self, record: Record, ecg: Ecg) -> dict[str, Any]:
        """Return an ECG's label as its row holds it: sealed, if the submission was."""
        if ecg.label is None:
            return {}
        if (key_id := record.data_key) is None:
            return {"label": ecg.label}
        return {"sealed_label": self._keys.seal_label(key_id, ecg.id, ecg.label), "label_key": key_id}

    def _open(self, record: Record, key_id: str, value: bytes) -> bytes:
        try:
            return self._keys.open(key_id, (record.key or b"").decode("utf-8", "replace"), value)
        except Broken:
            raise InvalidEcg("value", "cannot be opened with its key", **self._identity(record)) from None

    def _lost(self, record: Record) -> Outcome:
        """Reject a record that nobody can open any more. With its key the user was erased, and so is the ECG."""
        rejected = Rejected("KeyDestroyed", "value: was sealed with a key that does not exist any more")
        ecg_id, username = self._identity(record).values()
        if ecg_id is None or username is None or self._is_misplaced(record, ecg_id.encode()):
            return rejected
        return Rejected(
            rejected.error_class, rejected.reason, erased(insights.Insights(ecg_id, username), record.offset)
        )

    def _identity(self, record: Record) -> dict[str, str | None]:
        username = record.header(USERNAME_HEADER)
        ecg_id = (record.key or b"").decode("utf-8", "replace")
        if username is None or not self._issuer.belongs(ecg_id, username):
            return {"ecg_id": None, "username": None}
        return {"ecg_id": ecg_id, "username": username}

    def _is_misplaced(self, record: Record, key: bytes) -> bool:
        return record.key != key or partition_for(key, self._partitions) != record.partition

    def _forward(self, record: Record, key: bytes) -> Outcome:
        if record.header(FORWARDED_HEADER) is not None:
            return Rejected("Misplaced", "forwarded once and still not in its key's partition")
        # The topic would never take it with the headers that say whence it came, and the partition would wait for ever.
        if message_size(None, record.value, record.headers) > self._max_bytes + _FORWARDED_ROOM:
            return Rejected("Misplaced", "not in its key's partition, and too large with its headers to be forwarded")
        return Misplaced(key)

    def _existing(self, partition: int, key: bytes) -> insights.Insights | None:
        row = self._find_row(partition, key)
        return insights.decode(row) if row is not None else None

    def _refuse(
        self, record: Record, ecg_id: str, username: str, existing: insights.Insights | None
    ) -> Rejected | Ignored | None:
        """Refuse what was erased behind it, and an id that is somebody else's; its owner's row stays as it is."""
        if existing is not None and existing.erased:
            if existing.offset > record.offset:
                return Ignored()
            existing = None
        taken = is_issued(ecg_id) and not self._issuer.belongs(ecg_id, username)
        if taken or (existing is not None and existing.username != username):
            return Rejected("IdTaken", "id: belongs to another user")
        return None

    def _reject(
        self,
        record: Record,
        error: InvalidEcg,
        ecg_id: str | None,
        username: str | None,
        error_class: str | None = None,
    ) -> Outcome:
        """Reject a record; its owner, where known, gets the reason unless the ECG already has insights."""
        rejected = Rejected(error_class or type(error).__name__, str(error))
        if ecg_id is None or username is None:
            return rejected
        key = ecg_id.encode()
        if self._is_misplaced(record, key):
            return self._forward(record, key)
        existing = self._existing(record.partition, key)
        if refusal := self._refuse(record, ecg_id, username, existing):
            return refusal
        if existing is not None and not existing.erased and existing.error is None:
            return rejected
        accepted = _accepted(record, existing)
        failure = insights.Insights(ecg_id, username, error=str(error), accepted=accepted, offset=record.offset)
        return Rejected(rejected.error_class, rejected.reason, _stored(failure))


def erased(row: insights.Insights, offset: int) -> Erased:
    """Return what becomes of a row by an erasure at an offset."""
    entry = owner_index.key(row.username, position(row))
    return Erased(row.ecg_id.encode(), insights.encode(insights.erased(row.ecg_id, offset)), entry)


def dead_letter(record: Record, rejected: Rejected, max_bytes: int) -> tuple[bytes | None, bytes | None, Headers]:
    """Return the key, the value and the headers of a rejected record's dead letter, on a topic with this limit.

    It is what the record was, unless that is too large, which the limit of the record's own topic cannot rule out: it
    counts what is compressed.
    """
    source = (record.topic, str(record.partition), str(record.offset))
    said = DeadLetterHeaders(*source, rejected.error_class, rejected.reason)
    headers = [*record.headers, *_as_headers(said)]
    key, value = record.key, record.value
    if message_size(key, value, headers) > max_bytes:
        left_out = message_size(key, value, record.headers)
        key, value, headers = None, None, _as_headers(msgspec.structs.replace(said, left_out_bytes=str(left_out)))
    # aiokafka refuses to send what has neither, which other clients do not.
    return (key, b"", headers) if key is None and value is None else (key, value, headers)


def _as_headers(said: DeadLetterHeaders) -> Headers:
    return [(name, text.encode()) for name, text in msgspec.to_builtins(said).items()]


def _stored(row: insights.Insights) -> Stored:
    entry = owner_index.key(row.username, position(row))
    return Stored(row.ecg_id.encode(), insights.encode(row), entry)


def _accepted(record: Record, existing: insights.Insights | None) -> int:
    """Return when the ECG came first: one that comes again stays where it is in its owner's list."""
    if existing is not None and not existing.erased:
        return existing.accepted
    # A clock may be wrong, but no row may hold what is no date.
    return min(max(record.timestamp, 0), insights.MAX_ACCEPTED)


def compute(ecg: Ecg) -> list[dict[str, object]]:
    """Compute every insight of every lead, in the order of the leads.

    Raises:
        BaseException: whatever an insight raises.
        ValueError: if there is not one value for each lead.
    """
    signals = [lead.signal for lead in ecg.leads]
    leads: list[dict[str, object]] = [{"name": lead.name} for lead in ecg.leads]
    for field, insight in INSIGHTS.items():
        for lead, value in zip(leads, insight(signals), strict=True):
            lead[field] = value
    return leads
