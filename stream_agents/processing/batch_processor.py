"""The processing of a batch of records, in order."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from shared.chunk import Chunk
from shared.data_keys import DataKeys, KeyDestroyed
from shared.errors import InvalidEcg
from shared.kafka.topics import Topics
from shared.messages import recomputations
from shared.messages.erasures import Erasures
from shared.security.ids import IdIssuer
from shared.settings import Settings
from stream_agents.insights.contract import Insight
from stream_agents.processing.chunk_processor import NOTHING, ChunkProcessor, Earlier, Lacking
from stream_agents.processing.decoder import Decoder
from stream_agents.processing.ecg_processor import EcgProcessor
from stream_agents.processing.outcomes import Outcome, Stored, row_of
from stream_agents.processing.processor import Common, FindRow
from stream_agents.processing.record import Record

Outcomes: TypeAlias = list[tuple[Record, Outcome]]


Rows: TypeAlias = dict[tuple[int, bytes], bytes]
"""Rows by partition and key: the table's rows for a part's records, replaced by those of the outcomes so far."""


class Processed(NamedTuple):
    """The outcomes of the first records of a part; if records are left, `lacking` is what the next one needs."""

    outcomes: Outcomes
    lacking: Lacking | None


class BatchProcessor:
    """Processes records that may depend on the rows of earlier ones, which are not in the table yet.

    The table is read on the event loop, by `stored_rows`. `process` reads nothing else that changes with a rebalance,
    so that another thread may run it.

    Args:
        settings: of the worker.
        topics: of the deployment.
        keys: opens the submissions that gateways sealed.
        find_row: returns the stored row of a key in a partition of the table.
        chosen: the insights to compute of every ECG.
    """

    def __init__(
        self, settings: Settings, topics: Topics, keys: DataKeys, find_row: FindRow, chosen: Sequence[Insight]
    ) -> None:
        secret = settings.secret.get_secret_value()
        self._keys = keys
        self._find_row = find_row
        self._rows: Rows = {}
        self._chunks = topics.chunks.name
        self._current = {insight.name: (insight.version, insight.needs.sampling_rate > 0) for insight in chosen}
        issuer = IdIssuer(secret)
        self._decoder = Decoder(issuer, keys, settings.max_body_bytes)
        common = Common(
            issuer=issuer,
            erasures=Erasures(secret),
            keys=keys,
            decoder=self._decoder,
            partitions=topics.submissions.partitions,
            max_bytes=settings.max_body_bytes,
            find_row=lambda partition, key: self._rows.get((partition, key)),
        )
        self._ecg_processor = EcgProcessor(chosen, common)
        self._chunk_processor = ChunkProcessor(settings.chunk_patience, common)

    def lacks_keys(self, records: list[Record]) -> bool:
        """Return True if a record is sealed with a data key that is not known here."""
        return any(not self._keys.knows(key) for record in records if (key := record.data_key) is not None)

    def outdated_at(self, record: Record) -> int | None:
        """Return the offset of the record that a recomputation names, or None if there is nothing to compute again.

        There is only if the row of the ECG is that of this record, and has insights of older versions.
        """
        try:
            asked = recomputations.decode(record.value)
        except ValueError:
            return None
        if record.key != asked.ecg_id.encode():
            return None
        stored = self._find_row(record.partition, record.key)
        offset = recomputations.outdated_at(stored, self._current) if stored is not None else None
        return offset if offset == asked.offset else None

    def chunk(self, record: Record) -> Chunk | None:
        """Return the chunk in a record that was processed before, or None if it is not or no longer readable."""
        try:
            return self._decoder.chunk(record)
        except (InvalidEcg, KeyDestroyed):
            return None

    def stored_rows(self, records: list[Record]) -> Rows:
        """Return the rows of the records' keys: a record that is not forwarded has its ECG's id as its key."""
        places = {(record.partition, record.key) for record in records if record.key is not None}
        found = ((place, self._find_row(*place)) for place in places)
        return {place: row for place, row in found if row is not None}

    def process(self, records: list[Record], rows: Rows, earlier: Earlier = NOTHING) -> Processed:
        """Process records of one topic until one lacks earlier samples, and return the outcomes.

        Args:
            records: the records, at least one.
            rows: the rows of their ECGs and recordings, to which those of the outcomes are added.
            earlier: the samples and rows that the first record lacked in the call before.
        """
        self._rows = rows
        if records[0].topic != self._chunks:
            outcomes = zip(records, self._ecg_processor.process_all(records), strict=True)
            return Processed([self._noted(record, outcome) for record, outcome in outcomes], None)
        done: Outcomes = []
        for record in records:
            try:
                outcome = self._chunk_processor.process(record, earlier)
            except Lacking as lacking:
                # Without its traceback, whose frames would keep the earlier samples in memory.
                return Processed(done, lacking.with_traceback(None))
            done.append(self._noted(record, outcome))
            earlier = NOTHING
        return Processed(done, None)

    def _noted(self, record: Record, outcome: Outcome) -> tuple[Record, Outcome]:
        """Add the rows of an outcome to the rows, for the records after it."""
        if (row := row_of(outcome)) is not None:
            self._rows[record.partition, row.key] = row.row
            for part in row.parts if isinstance(row, Stored) else ():
                if part.row is not None:
                    self._rows[record.partition, part.key] = part.row
        return record, outcome


def parts(records: list[Record]) -> Iterator[list[Record]]:
    """Split a batch into parts with records of one topic; each erasure and each recomputation is a part of its own.

    An erasure needs everything before it in the table. A recomputation is a small message for an ECG of any size, and
    memory must not hold those of a batch.
    """
    part: list[Record] = []
    for record in records:
        if record.is_erasure or record.is_recomputation:
            if part:
                yield part
            yield [record]
            part = []
            continue
        if part and part[0].topic != record.topic:
            yield part
            part = []
        part.append(record)
    if part:
        yield part
