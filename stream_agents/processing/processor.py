"""The common steps of processing a record: ownership of its id, the partition of its key, erasures and refusals."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from shared.data_keys import DataKeys
from shared.ecg import Ecg
from shared.errors import InvalidEcg
from shared.kafka.clients import message_size, partition_for
from shared.messages import insights
from shared.messages.erasures import Erasures
from shared.messages.headers import FORWARDED_HEADER
from shared.messages.insights import Insights
from shared.messages.recordings import Progress
from shared.security.ids import IdIssuer, is_issued
from shared.settings import MIB
from stream_agents.processing.decoder import Decoder
from stream_agents.processing.outcomes import Erased, Ignored, Misplaced, Outcome, Rejected, Stored, UserErased
from stream_agents.processing.record import Record

# A message to forward may exceed the largest ECG by this much. The topic accepts a MiB more: a new header fits too.
_FORWARDED_ROOM = MIB // 2

FindRow: TypeAlias = Callable[[int, bytes], bytes | None]


@dataclass(frozen=True, kw_only=True)
class Common:
    """The collaborators of every processor.

    Attributes:
        issuer: recognises the ids that gateways issued.
        erasures: recognises the erasures that gateways sealed.
        keys: opens the messages that gateways sealed, and seals their labels.
        partitions: number of partitions of the topics.
        decoder: opens and decodes records.
        max_bytes: size of the largest message that is processed.
        find_row: returns the stored row of a key in a partition of the table.
    """

    issuer: IdIssuer
    erasures: Erasures
    keys: DataKeys
    decoder: Decoder
    partitions: int
    max_bytes: int
    find_row: FindRow


class Processor(ABC):
    """Decides the outcome of a record of one topic."""

    recordings: ClassVar[bool]
    """True if the topic holds chunks of recordings, False if it holds ECGs."""

    def __init__(self, common: Common) -> None:
        self._issuer = common.issuer
        self._erasures = common.erasures
        self._keys = common.keys
        self._partitions = common.partitions
        self._max_bytes = common.max_bytes
        self._find_row = common.find_row
        self._decoder = common.decoder

    @abstractmethod
    def process(self, record: Record) -> Outcome:
        """Return the outcome of a record; its content cannot make this raise."""

    def _told(self, record: Record, rejected: Rejected, existing: Insights) -> Outcome:
        """Return the outcome of a record that is rejected although its ECG or recording has insights."""
        return rejected

    def _failed(self, failure: Insights, existing: Insights | None) -> Insights:
        """Return the row of an ECG or recording without insights, whose message was rejected."""
        return failure

    def _row(self, ecg_id: str, username: str, **fields: Any) -> Insights:
        """Return a row of an ECG or a recording, as the topic holds."""
        return Insights(ecg_id, username, recording=Progress() if self.recordings else None, **fields)

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
        if existing is not None and self._is_other_kind(existing):
            return Ignored()
        if existing is None or existing.erased:
            # Without a row, only an id that a gateway issued proves the owner, and the kind: a row of the other one
            # would refuse all that comes later under this id.
            owned = self._belongs(erasure.ecg_id, erasure.username)
        else:
            owned = existing.username == erasure.username
        if not owned or (existing is not None and existing.offset > record.offset):
            return Ignored()
        return Erased.of(existing or self._row(erasure.ecg_id, erasure.username), record.offset)

    def _label(self, record: Record, ecg: Ecg) -> dict[str, Any]:
        """Return the fields of a row that hold the ECG's label, sealed if the message was sealed."""
        if ecg.label is None:
            return {}
        if (key_id := record.data_key) is None:
            return {"label": ecg.label}
        return {"sealed_label": self._keys.seal_label(key_id, ecg.id, ecg.label), "label_key": key_id}

    def _lost(self, record: Record) -> Outcome:
        """Reject a record whose data key was destroyed, and store that its ECG is erased, unless it has a row.

        Keys are destroyed with their user, whose sealed erasure also erases the rows. A row must not vanish by this
        record, which anybody who produces on the topic could have made.
        """
        rejected = Rejected("KeyDestroyed", "value: was sealed with a key that does not exist any more")
        ecg_id, username = self._decoder.identity(record, recording=self.recordings).values()
        if ecg_id is None or username is None or self._is_misplaced(record, ecg_id.encode()):
            return rejected
        if self._find_row(record.partition, ecg_id.encode()) is not None:
            return rejected
        erased = Erased.of(self._row(ecg_id, username), record.offset)
        return Rejected(rejected.error_class, rejected.reason, erased)

    def _is_misplaced(self, record: Record, key: bytes) -> bool:
        return record.key != key or partition_for(key, self._partitions) != record.partition

    def _forward(self, record: Record, key: bytes) -> Outcome:
        if record.header(FORWARDED_HEADER) is not None:
            return Rejected("Misplaced", "forwarded once and still not in its key's partition")
        # With the header that is added, the topic would never accept it, and the partition would wait for ever.
        if message_size(None, record.value, record.headers) > self._max_bytes + _FORWARDED_ROOM:
            return Rejected("Misplaced", "not in its key's partition, and too large with its headers to be forwarded")
        return Misplaced(key)

    def _existing(self, partition: int, key: bytes) -> Insights | None:
        row = self._find_row(partition, key)
        return insights.decode(row) if row is not None else None

    def _belongs(self, ecg_id: str, username: str) -> bool:
        return self._issuer.belongs(ecg_id, username, recording=self.recordings)

    def _is_other_kind(self, existing: Insights) -> bool:
        return existing.is_recording is not self.recordings

    def _refuse(
        self, record: Record, ecg_id: str, username: str, existing: Insights | None
    ) -> Rejected | Ignored | None:
        """Ignore a record that a later erasure covers, and reject a record whose id is taken; that row is unchanged."""
        other_kind = existing is not None and self._is_other_kind(existing)
        if existing is not None and existing.erased and not other_kind:
            if existing.offset > record.offset:
                return Ignored()
            existing = None
        if existing is None:
            if not is_issued(ecg_id) or self._belongs(ecg_id, username):
                return None
            other_kind = self._issuer.belongs(ecg_id, username, recording=not self.recordings)
        elif existing.username == username and not other_kind:
            return None
        owner = ("an ECG" if self.recordings else "a recording") if other_kind else "another user"
        return Rejected("IdTaken", f"id: belongs to {owner}")

    def _reject(
        self,
        record: Record,
        error: InvalidEcg,
        ecg_id: str | None,
        username: str | None,
        *,
        error_class: str | None = None,
        label: dict[str, Any] | None = None,
    ) -> Outcome:
        """Reject a record. Its row gets the reason if the owner is known and there are no insights yet."""
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
            return self._told(record, rejected, existing)
        failure = self._row(
            ecg_id,
            username,
            error=str(error),
            accepted=accepted(record, existing),
            offset=record.offset,
            **(label or {}),
        )
        return Rejected(rejected.error_class, rejected.reason, Stored.of(self._failed(failure, existing)))


def accepted(record: Record, existing: Insights | None) -> int:
    """Return when the ECG first came: an ECG that comes again keeps its place in its owner's list."""
    if existing is not None and not existing.erased:
        return existing.accepted
    # A clock may be wrong, but the time in a row must be a valid date.
    return min(max(record.timestamp, 0), insights.MAX_ACCEPTED)
