"""The processing of a batch of records, in order."""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from shared.kafka.topics import Topics
from shared.messages.erasures import Erasures
from shared.security.data_keys import DataKeys
from shared.security.ids import IdIssuer
from shared.settings import Settings
from stream_agents.insights.contract import Insight
from stream_agents.processing.outcomes import Outcome, row_of
from stream_agents.processing.processor import FindRow, Processor
from stream_agents.processing.record import Record

Outcomes: TypeAlias = list[tuple[Record, Outcome]]


class BatchProcessor:
    """Processes records that may depend on the rows of earlier ones, which are not in the table yet.

    Args:
        settings: of the worker.
        topics: of the deployment.
        keys: opens the submissions that gateways sealed.
        find_row: returns the stored row of a key in a partition of the table.
        insights: to compute of every ECG.
    """

    def __init__(
        self, settings: Settings, topics: Topics, keys: DataKeys, find_row: FindRow, insights: Sequence[Insight]
    ) -> None:
        secret = settings.secret.get_secret_value()
        self._keys = keys
        self._find_stored = find_row
        self._fresh: dict[bytes, bytes] = {}
        self._processor = Processor(
            IdIssuer(secret),
            Erasures(secret),
            keys,
            partitions=topics.submissions.partitions,
            max_bytes=settings.max_body_bytes,
            find_row=self._find_row,
            insights=insights,
        )

    def lacks_keys(self, records: list[Record]) -> bool:
        """Return True if a record is sealed with a data key that is not known here."""
        return any(not self._keys.knows(key) for record in records if (key := record.data_key) is not None)

    def process(self, records: list[Record]) -> Outcomes:
        """Return the records with their outcomes."""
        self._fresh.clear()
        outcomes = []
        for record in records:
            outcome = self._processor.process(record)
            if stored := row_of(outcome):
                self._fresh[stored.key] = stored.row
            outcomes.append((record, outcome))
        return outcomes

    def _find_row(self, partition: int, key: bytes) -> bytes | None:
        """Return a row from the current batch, or else from the table."""
        return self._fresh.get(key) or self._find_stored(partition, key)


def parts(records: list[Record]) -> Iterator[list[Record]]:
    """Split a batch so that each erasure is alone, because it needs everything before it in the table."""
    part: list[Record] = []
    for record in records:
        if record.is_erasure:
            if part:
                yield part
            yield [record]
            part = []
        else:
            part.append(record)
    if part:
        yield part
