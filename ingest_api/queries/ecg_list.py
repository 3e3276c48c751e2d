"""The lists of a user's processed ECGs and recordings, in pages."""

from ingest_api.http.errors import Unprocessable
from ingest_api.queries.labels import Labels
from ingest_api.queries.list_cursor import ListCursors
from ingest_api.queries.worker_client import WorkerClient
from shared.messages.insights import Insights
from shared.worker_protocol.listing import Position, merge, position

# Bounds the work of a request that searches for a label; its `next` goes on.
_MOST_PAGES = 10

Labelled = tuple[Insights, str | None]


class EcgList:
    """Reads pages of a user's ECGs, or recordings, the latest accepted first."""

    def __init__(
        self, workers: WorkerClient, cursors: ListCursors, labels: Labels, *, recordings: bool = False
    ) -> None:
        self._recordings = recordings
        self._workers = workers
        self._cursors = cursors
        self._labels = labels

    async def page(
        self, user: str, limit: int, cursor: str | None, prefix: str | None = None
    ) -> tuple[list[Labelled], str | None]:
        """Return at most `limit` rows with their labels, and the cursor of the next page if there is one.

        With a prefix, only ECGs whose label begins with it: the page may have fewer rows or none, and still a cursor.

        Raises:
            Unprocessable: if the cursor is not one of this user.
            Unavailable: if no worker that serves a partition answers in time.
        """
        try:
            after = self._cursors.open(user, cursor) if cursor is not None else None
        except ValueError:
            raise Unprocessable("cursor: must be the `next` of a page of yours", field="cursor") from None
        found: list[Labelled] = []
        more = True
        pages = 0
        while more and len(found) < limit and pages < (_MOST_PAGES if prefix is not None else 1):
            rows, more, after = await self._rows(user, limit, after)
            labels = await self._labels.of(rows)
            for row, label in zip(rows, labels, strict=True):
                if prefix is not None and not (label or "").startswith(prefix):
                    continue
                if len(found) == limit:
                    more, after = True, position(found[-1][0])
                    break
                found.append((row, label))
            pages += 1
        return found, self._cursors.seal(user, after) if more and after is not None else None

    async def _rows(
        self, user: str, limit: int, after: Position | None
    ) -> tuple[list[Insights], bool, Position | None]:
        rows, more = merge(await self._workers.pages(user, limit, after, recordings=self._recordings), limit)
        return rows, more, position(rows[-1]) if rows else after
