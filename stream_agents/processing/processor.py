"""The processing of a submissions record: a function from the record, and the row of its ECG, to an outcome."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from shared.ecg import Ecg
from shared.errors import InvalidEcg
from shared.kafka.clients import message_size, partition_for
from shared.messages import insights
from shared.messages.erasures import Erasures
from shared.security.data_keys import DataKeys, KeyDestroyed
from shared.security.ids import IdIssuer, is_issued
from shared.settings import MIB
from stream_agents.insights.computation import Computed, compute, compute_together
from stream_agents.insights.contract import Insight
from stream_agents.insights.recording import Recording
from stream_agents.processing.decoder import Decoder
from stream_agents.processing.outcomes import Erased, Ignored, Misplaced, Outcome, Rejected, Stored, UserErased
from stream_agents.processing.record import FORWARDED_HEADER, Record

# A message to forward may exceed the largest ECG by this much. The topic accepts a MiB more: a new header fits too.
_FORWARDED_ROOM = MIB // 2

# Records of as many bytes are computed together: a few ECGs of 12 x 500 samples, for which NumPy's calls take longer
# than the computation. More would not stay in the CPU's cache, and memory must not hold all ECGs of a batch decoded.
_TOGETHER = 64 * 1024

FindRow: TypeAlias = Callable[[int, bytes], bytes | None]


class _Submission(NamedTuple):
    """What a record was decoded to: the ECG, the fields of its row that hold its label, and its recording."""

    ecg: Ecg
    label: dict[str, Any]
    recording: Recording


_Decoded: TypeAlias = _Submission | InvalidEcg | KeyDestroyed


class Processor:
    """Decides the outcome of a record.

    Args:
        issuer: recognises the ids that gateways issued.
        erasures: recognises the erasures that gateways sealed.
        keys: opens the submissions that gateways sealed, and seals their labels.
        partitions: number of partitions of the submissions topic.
        max_bytes: size of the largest message that is processed.
        find_row: returns the stored row of a key in a partition of the table.
        insights: to compute of every ECG.
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
        insights: Sequence[Insight],
    ) -> None:
        self._issuer = issuer
        self._erasures = erasures
        self._keys = keys
        self._decoder = Decoder(issuer, keys, max_bytes)
        self._partitions = partitions
        self._max_bytes = max_bytes
        self._find_row = find_row
        self._insights = insights

    def process(self, record: Record) -> Outcome:
        """Return the outcome of a record; its content cannot make this raise."""
        return self._outcome(record, self._decode(record))

    def process_all(self, records: Sequence[Record]) -> Iterator[Outcome]:
        """Yield the outcomes of records in their order; their content cannot make this raise.

        Rows are looked up for each record only when its outcome is asked for.
        """
        for group in _groups(records):
            if len(group) == 1:
                yield self.process(group[0])
                continue
            decoded = [self._decode(record) for record in group]
            recordings = [submission.recording for submission in decoded if isinstance(submission, _Submission)]
            if len(recordings) > 1:
                compute_together(recordings, self._insights)
            yield from map(self._outcome, group, decoded)

    def _outcome(self, record: Record, decoded: _Decoded | None) -> Outcome:
        if decoded is None:
            return self._erase(record)
        return self._recompute(record, decoded) if record.recomputes else self._compute(record, decoded)

    def _decode(self, record: Record) -> _Decoded | None:
        """Return the submission in a record, the error that there is none, or None for an erasure."""
        if record.is_erasure and not record.recomputes:
            return None
        try:
            ecg = self._decoder.ecg(record)
            return _Submission(ecg, self._label(record, ecg), Recording.of(ecg))
        except (InvalidEcg, KeyDestroyed) as error:
            return error

    def _compute(self, record: Record, submission: _Decoded) -> Outcome:
        if isinstance(submission, KeyDestroyed):
            return self._lost(record)
        if isinstance(submission, InvalidEcg):
            return self._reject(record, submission, submission.ecg_id, submission.username)
        ecg = submission.ecg
        key = ecg.id.encode()
        if self._is_misplaced(record, key):
            return self._forward(record, key)
        existing = self._existing(record.partition, key)
        if refusal := self._refuse(record, ecg.id, ecg.username, existing):
            return refusal
        return self._measure(record, submission, existing)

    def _recompute(self, record: Record, submission: _Decoded) -> Stored | Ignored:
        """Return the outcome of computing a row's insights again: the new row, or nothing if that is not possible."""
        if not isinstance(submission, _Submission):
            return Ignored()
        ecg = submission.ecg
        existing = self._existing(record.partition, ecg.id.encode())
        if existing is None or existing.erased or (existing.username, existing.offset) != (ecg.username, record.offset):
            return Ignored()
        outcome = self._measure(record, submission, existing)
        return outcome if isinstance(outcome, Stored) else Ignored()

    def _measure(self, record: Record, submission: _Submission, existing: insights.Insights | None) -> Outcome:
        """Return the outcome of computing an ECG's insights, which replace those of the existing row."""
        ecg, label, recording = submission
        computed = compute(ecg, self._insights, recording)
        if computed.is_failure:
            error_class = next(iter(computed.failures.values()))
            problem = InvalidEcg("leads", f"an insight could not be computed ({error_class})")
            return self._reject(record, problem, ecg.id, ecg.username, error_class="ComputationError", label=label)
        row = insights.Insights(
            ecg.id,
            ecg.username,
            date=ecg.date,
            number_of_samples=[lead.signal.size for lead in ecg.leads],
            accepted=_accepted(record, existing),
            offset=record.offset,
            sampling_rate=ecg.sampling_rate,
            **label,
        )
        try:
            return _stored(row, computed)
        except insights.RowTooLarge as error:
            problem = InvalidEcg("leads", f"their insights are {error}")
            return self._reject(record, problem, ecg.id, ecg.username, error_class=type(error).__name__, label=label)

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
            # Without a row, only an id that a gateway issued proves the owner.
            owned = self._issuer.belongs(erasure.ecg_id, erasure.username)
        else:
            owned = existing.username == erasure.username
        if not owned or (existing is not None and existing.offset > record.offset):
            return Ignored()
        return Erased.of(existing or insights.Insights(erasure.ecg_id, erasure.username), record.offset)

    def _label(self, record: Record, ecg: Ecg) -> dict[str, Any]:
        """Return the fields of a row that hold the ECG's label, sealed if the submission was sealed."""
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
        ecg_id, username = self._decoder.identity(record).values()
        if ecg_id is None or username is None or self._is_misplaced(record, ecg_id.encode()):
            return rejected
        if self._find_row(record.partition, ecg_id.encode()) is not None:
            return rejected
        erased = Erased.of(insights.Insights(ecg_id, username), record.offset)
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

    def _existing(self, partition: int, key: bytes) -> insights.Insights | None:
        row = self._find_row(partition, key)
        return insights.decode(row) if row is not None else None

    def _refuse(
        self, record: Record, ecg_id: str, username: str, existing: insights.Insights | None
    ) -> Rejected | Ignored | None:
        """Ignore a record that a later erasure covers, and reject an id of another user, whose row stays unchanged."""
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
        *,
        error_class: str | None = None,
        label: dict[str, Any] | None = None,
    ) -> Outcome:
        """Reject a record; its owner, if known, gets the reason unless the ECG already has insights."""
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
        failure = insights.Insights(
            ecg_id, username, error=str(error), accepted=accepted, offset=record.offset, **(label or {})
        )
        return Rejected(rejected.error_class, rejected.reason, Stored.of(failure))


def _groups(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Split records into groups of at most `_TOGETHER` bytes; a record that is larger is alone."""
    group: list[Record] = []
    size = 0
    for record in records:
        size += len(record.value or b"")
        if group and size > _TOGETHER:
            yield group
            group, size = [], len(record.value or b"")
        group.append(record)
    if group:
        yield group


def _stored(row: insights.Insights, computed: Computed) -> Stored:
    """Return the outcome that stores a row with its insights; those that make it too large are left out.

    Raises:
        RowTooLarge: if the row is too large with a single insight.
    """
    while True:
        try:
            return Stored.of(computed.in_row(row), computed.failures)
        except insights.RowTooLarge as error:
            if not computed.drop_largest(f"the row would be {error}"):
                raise


def _accepted(record: Record, existing: insights.Insights | None) -> int:
    """Return when the ECG first came: an ECG that comes again keeps its place in its owner's list."""
    if existing is not None and not existing.erased:
        return existing.accepted
    # A clock may be wrong, but the time in a row must be a valid date.
    return min(max(record.timestamp, 0), insights.MAX_ACCEPTED)
