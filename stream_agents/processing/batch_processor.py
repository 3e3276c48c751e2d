"""The processing of a batch of records, in order."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from shared.kafka.topics import Topics
from shared.messages import recomputations
from shared.messages.erasures import Erasures
from shared.security.data_keys import DataKeys
from shared.security.ids import IdIssuer
from shared.settings import Settings
from stream_agents.insights.contract import Insight
from stream_agents.processing.outcomes import Outcome, row_of
from stream_agents.processing.processor import FindRow, Processor
from stream_agents.processing.record import Record

Outcomes: TypeAlias = list[tuple[Record, Outcome]]


StoredRows: TypeAlias = Mapping[tuple[int, bytes], bytes]
"""The rows that the table has for records, by partition and key."""


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
        self._rows: dict[tuple[int, bytes], bytes] = {}
        self._current = {insight.name: (insight.version, insight.needs.sampling_rate > 0) for insight in chosen}
        self._processor = Processor(
            IdIssuer(secret),
            Erasures(secret),
            keys,
            partitions=topics.submissions.partitions,
            max_bytes=settings.max_body_bytes,
            find_row=lambda partition, key: self._rows.get((partition, key)),
            insights=chosen,
        )

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

    def stored_rows(self, records: list[Record]) -> StoredRows:
        """Return the rows of the records' keys: a record that is not forwarded has its ECG's id as its key."""
        places = {(record.partition, record.key) for record in records if record.key is not None}
        found = ((place, self._find_row(*place)) for place in places)
        return {place: row for place, row in found if row is not None}

    def process(self, records: list[Record], stored: StoredRows) -> Outcomes:
        """Return the records with their outcomes, given the rows that the table has for them."""
        self._rows = dict(stored)
        outcomes = []
        for record, outcome in zip(records, self._processor.process_all(records), strict=True):
            if (row := row_of(outcome)) is not None:
                self._rows[record.partition, row.key] = row.row
            outcomes.append((record, outcome))
        self._rows = {}
        return outcomes


def parts(records: list[Record]) -> Iterator[list[Record]]:
    """Split a batch so that each erasure and each recomputation is alone.

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
        else:
            part.append(record)
    if part:
        yield part
