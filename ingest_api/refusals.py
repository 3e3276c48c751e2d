"""Whose ECGs were asked for in vain: put on record, unknown to who asked."""

import asyncio

from ingest_api.audit import Audit
from ingest_api.errors import Unavailable
from ingest_api.workers import Workers
from shared import ids

# Whoever asks for more at a time is not on record with all of it.
_AT_A_TIME = 16


class Refusals:
    """Looks, after the answer 404, whether the ECG is somebody else's.

    Afterwards, so that the time of the answer tells nobody whether there is such an ECG.
    """

    def __init__(self, workers: Workers, audit: Audit) -> None:
        self._workers = workers
        self._audit = audit
        self._looking: set[asyncio.Task[None]] = set()

    def note(self, ecg_id: str, who: str) -> None:
        """Put on record, in a moment, that somebody was refused an ECG, if there is one."""
        if self._audit.on and ids.is_valid(ecg_id) and len(self._looking) < _AT_A_TIME:
            looking = asyncio.create_task(self._look(ecg_id, who))
            self._looking.add(looking)
            looking.add_done_callback(self._looking.discard)

    async def stop(self) -> None:
        """Give up what is not known yet."""
        for looking in self._looking:
            looking.cancel()
        await asyncio.gather(*self._looking, return_exceptions=True)

    async def _look(self, ecg_id: str, who: str) -> None:
        try:
            found = await self._workers.find(ecg_id)
        except Unavailable:
            return
        if found is not None and not found.erased and found.username != who:
            await self._audit.note("refused", found.username, ecg_id, who)
