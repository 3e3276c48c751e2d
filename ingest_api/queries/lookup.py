"""Looking up the row of a user's ECG or recording. Another user's is not found, like one that does not exist."""

from fastapi import Request

from ingest_api.audit.writer import AuditWriter
from ingest_api.http.errors import NotFound, Unavailable
from ingest_api.queries.long_poll import LongPolls
from ingest_api.queries.worker_client import WorkerClient
from shared.messages.insights import Insights
from shared.security.ids import IdIssuer, is_issued, is_valid


class Lookup:
    """Finds rows by the ids of ECGs and recordings, for the users who own them."""

    def __init__(self, issuer: IdIssuer, workers: WorkerClient, long_polls: LongPolls, audit: AuditWriter) -> None:
        self._issuer = issuer
        self._workers = workers
        self._long_polls = long_polls
        self._audit = audit

    async def find(
        self, request: Request, ecg_id: str, user: str, wait: int = 0, *, recording: bool = False
    ) -> Insights | None:
        """Return the row of a user's ECG, or None while it is not processed.

        Args:
            request: the request.
            ecg_id: the ECG's id.
            user: the user who asks.
            wait: the seconds to wait for the row.
            recording: True if it must be a recording, False if an ECG.

        Raises:
            NotFound: if the user has no such ECG or recording, or it was erased.
            Unavailable: if no worker that serves the partition answers in time.
        """
        issued_here = self._issuer.belongs(ecg_id, user, recording=recording)
        found = await self._row(request, ecg_id, user, wait, issued_here)
        if found is not None and found.username == user:
            if found.is_recording is not recording:
                raise not_found(ecg_id, recording=recording)
            return found
        if issued_here and not (found is not None and found.erased):
            return None
        if found is not None and not found.erased:
            # Recorded after the answer, whose time would otherwise reveal that the ECG exists.
            self._audit.note_later("refused", found.username, ecg_id, user)
        raise not_found(ecg_id, recording=recording)

    async def check(self, request: Request, recording_id: str, user: str) -> None:
        """Check that a recording is the user's.

        An id that a gateway issued for a recording is checked without a worker, so that chunks cost no query. Workers
        are asked about an id that a producer chose.

        Raises:
            NotFound: if the user has no such recording.
            Unavailable: if no worker that serves the partition answers in time.
        """
        if not self._issuer.belongs(recording_id, user, recording=True):
            await self.find(request, recording_id, user, recording=True)

    async def _row(self, request: Request, ecg_id: str, user: str, wait: int, issued_here: bool) -> Insights | None:
        if not is_valid(ecg_id):
            return None
        # A worker need not check the owner of an id that was issued to the user, and after an erasure its row has none.
        owner = None if issued_here else user
        # To another user, or to this one for the other kind: it is looked up for the audit only, and not worth a wait.
        issued_elsewhere = is_issued(ecg_id) and not issued_here
        if wait and not issued_elsewhere:
            return await self._long_polls.find(request, ecg_id, owner, wait)
        try:
            return await self._workers.find(ecg_id, owner)
        except Unavailable:
            # The answer to such an id is 404, even without a worker.
            if not issued_elsewhere:
                raise
            return None


def not_found(ecg_id: str, *, recording: bool) -> NotFound:
    """Return the error for an ECG or a recording that the user does not have."""
    return NotFound(f"{'Recording' if recording else 'ECG'} not found for id {ecg_id}")
