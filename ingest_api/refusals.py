"""ECGs that are asked for in vain: when that is answered, and how it is put on record."""

import asyncio
import random

from ingest_api.audit import Audit
from ingest_api.errors import Unavailable
from ingest_api.workers import Workers
from shared import ids

PACE = 0.02
"""The seconds after a question, or a multiple of them, from which on it is answered with 404.

A row that is there, and somebody else's, takes a tenth of a millisecond longer to look for than one that is not, and
timers tell milliseconds only: a random time of the same length is added, in which that is lost.
"""
# Whoever asks for more at a time is not on record with all of it.
_AT_A_TIME = 16
_random = random.SystemRandom()


class Refusals:
    """Sets the pace of the answers 404, and looks afterwards whether the ECG is somebody else's.

    The time of an answer tells nobody whether there is such an ECG.
    """

    def __init__(self, workers: Workers, audit: Audit) -> None:
        self._workers = workers
        self._audit = audit
        self._looking: set[asyncio.Task[None]] = set()

    async def note(self, ecg_id: str, who: str, asked: float) -> None:
        """Return when it is time to refuse somebody an ECG; put it on record, in a moment, if it is another's.

        `asked` is when the question came, by the event loop's clock.
        """
        elapsed = asyncio.get_running_loop().time() - asked
        await asyncio.sleep(PACE - elapsed % PACE + _random.uniform(0, PACE))
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
