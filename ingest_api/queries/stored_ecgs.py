"""ECGs as they were submitted, for as long as the submissions topic keeps them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ingest_api.http.errors import Gone, Unprocessable
from ingest_api.queries.sealed_messages import SealedMessages
from ingest_api.queries.submission_reader import Message, SubmissionReader
from shared import encoding
from shared.ecg import Ecg
from shared.errors import InvalidEcg
from shared.messages.insights import Insights
from shared.security.sealing import Broken

GONE = "The signals are no longer kept; the insights still are"


class StoredEcgs:
    """Reads ECGs, and opens sealed ones."""

    def __init__(self, records: SubmissionReader, messages: SealedMessages) -> None:
        self._records = records
        self._messages = messages

    @asynccontextmanager
    async def reading(self, row: Insights) -> AsyncIterator[Ecg]:
        """Yield the ECG of a row. Memory holds only a few ECGs at a time, each until its block ends.

        Raises:
            Gone: if its signals are no longer kept.
            Unprocessable: if the message is unreadable, as it was for the worker.
            Unavailable: if the broker does not answer in time, or too many ECGs are being read.
        """
        async with self._records.reading(row.ecg_id, row.offset) as message:
            try:
                ecg = await self._opened(row.ecg_id, message) if message is not None else None
            except (InvalidEcg, Broken):
                if row.error is not None:
                    raise Unprocessable(row.error) from None
                ecg = None
            # The record at the offset is shown only if it is this ECG of this user.
            if ecg is None or (ecg.id, ecg.username) != (row.ecg_id, row.username):
                raise Gone(GONE)
            yield ecg

    async def _opened(self, ecg_id: str, message: Message) -> Ecg | None:
        """Return the ECG in a message, or None if the key that it was sealed with is destroyed.

        Raises:
            InvalidEcg, Broken: if the message is unreadable.
            Unavailable: if the broker cannot be asked for the key.
        """
        value = await self._messages.open(ecg_id, message)
        return None if value is None else encoding.decode(value, message.content_type)
