"""Looking up the row of a user's ECG, so that an ECG of somebody else is a row not found."""

from fastapi import Request

from ingest_api.audit.writer import AuditWriter
from ingest_api.http.errors import NotFound, Unavailable
from ingest_api.queries.long_poll import LongPolls
from ingest_api.queries.worker_client import WorkerClient
from shared.messages.insights import Insights
from shared.security.ids import IdIssuer, is_issued, is_valid


class Lookup:
    """Finds rows by the ids of ECGs, for the users who own them."""

    def __init__(self, issuer: IdIssuer, workers: WorkerClient, long_polls: LongPolls, audit: AuditWriter) -> None:
        self._issuer = issuer
        self._workers = workers
        self._long_polls = long_polls
        self._audit = audit

    async def find(self, request: Request, ecg_id: str, user: str, wait: int = 0) -> Insights | None:
        """Return the row of a user's ECG, or None while it is not processed.

        Args:
            request: the question.
            ecg_id: the ECG's id.
            user: who asks.
            wait: how many seconds to wait for it.

        Raises:
            NotFound: if the user has no such ECG, or not any more.
            Unavailable: if no worker that serves the partition answers in time.
        """
        issued_here = self._issuer.belongs(ecg_id, user)
        found = await self._row(request, ecg_id, user, wait, issued_here)
        if found is not None and found.username == user:
            return found
        if issued_here and not (found is not None and found.erased):
            return None
        if found is not None and not found.erased:
            # On record after the answer, whose time would otherwise tell that there is such an ECG.
            self._audit.note_later("refused", found.username, ecg_id, user)
        raise NotFound(f"ECG not found for id {ecg_id}")

    async def _row(self, request: Request, ecg_id: str, user: str, wait: int, issued_here: bool) -> Insights | None:
        if not is_valid(ecg_id):
            return None
        # An issued id is signed for its owner; and after its erasure no row names one.
        owner = None if issued_here else user
        another_users = is_issued(ecg_id) and not issued_here
        if wait and not another_users:
            return await self._long_polls.find(request, ecg_id, owner, wait)
        # What a gateway issued to another user is asked for too, for the audit: it is not worth a wait.
        try:
            return await self._workers.find(ecg_id, owner)
        except Unavailable:
            # The answer to such an id is known without a worker.
            if not another_users:
                raise
            return None
