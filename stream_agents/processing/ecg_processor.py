"""Processes records of the submissions topic: an outcome is a function of the record and its ECG's row."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from typing_extensions import override

from shared.data_keys import KeyDestroyed
from shared.ecg import Ecg
from shared.errors import InvalidEcg
from shared.messages import insights
from stream_agents.insights.computation import Computed, compute, compute_together
from stream_agents.insights.contract import Insight
from stream_agents.insights.recording import Recording
from stream_agents.processing.outcomes import Ignored, Outcome, Stored
from stream_agents.processing.processor import Common, Processor, accepted
from stream_agents.processing.record import Record

# Bytes of the records that are computed together: a few ECGs of 12 x 500 samples, for which the overhead of NumPy's
# calls exceeds the computation. More would not fit into the CPU's cache, nor all decoded ECGs of a batch into memory.
_TOGETHER = 64 * 1024


class _Submission(NamedTuple):
    """A decoded record: the ECG, the fields of its row that hold its label, and its recording."""

    ecg: Ecg
    label: dict[str, Any]
    recording: Recording


_Decoded: TypeAlias = _Submission | InvalidEcg | KeyDestroyed


class EcgProcessor(Processor):
    """Decides the outcome of a record of the submissions topic.

    Args:
        insights: the insights to compute for every ECG.
        common: the collaborators of every processor.
    """

    recordings = False

    def __init__(self, insights: Sequence[Insight], common: Common) -> None:
        super().__init__(common)
        self._insights = insights

    @override
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
        """Return the submission in a record, the error if it cannot be decoded, or None for an erasure."""
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
            accepted=accepted(record, existing),
            offset=record.offset,
            sampling_rate=ecg.sampling_rate,
            **label,
        )
        try:
            return _stored(row, computed)
        except insights.RowTooLarge as error:
            problem = InvalidEcg("leads", f"their insights are {error}")
            return self._reject(record, problem, ecg.id, ecg.username, error_class=type(error).__name__, label=label)


def _groups(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Split records into groups of at most `_TOGETHER` bytes; a larger record is a group of its own."""
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
    """Return the outcome that stores a row with its insights; if it is too large, the largest insights are left out.

    Raises:
        RowTooLarge: if the row is too large even so.
    """
    while True:
        try:
            return Stored.of(computed.in_row(row), computed.failures)
        except insights.RowTooLarge as error:
            if not computed.drop_largest(f"the row would be {error}"):
                raise
