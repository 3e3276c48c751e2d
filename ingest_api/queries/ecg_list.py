"""The list of a user's processed ECGs, in pages."""

from ingest_api.http.errors import Unprocessable
from ingest_api.queries.list_cursor import ListCursors
from ingest_api.queries.worker_client import WorkerClient
from shared.messages.insights import Insights
from shared.worker_protocol.listing import merge, position


class EcgList:
    """Reads pages of a user's ECGs, the latest accepted first."""

    def __init__(self, workers: WorkerClient, cursors: ListCursors) -> None:
        self._workers = workers
        self._cursors = cursors

    async def page(self, user: str, limit: int, cursor: str | None) -> tuple[list[Insights], str | None]:
        """Return at most `limit` rows, and the cursor of the next page if there is one.

        Raises:
            Unprocessable: if the cursor is not one of this user.
            Unavailable: if no worker that serves a partition answers in time.
        """
        try:
            after = self._cursors.open(user, cursor) if cursor is not None else None
        except ValueError:
            raise Unprocessable("cursor: must be the `next` of a page of yours", field="cursor") from None
        rows, more = merge(await self._workers.pages(user, limit, after), limit)
        return rows, self._cursors.seal(user, position(rows[-1])) if more else None
