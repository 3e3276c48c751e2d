"""How much of submissions a gateway holds: from the arrival of their bytes until the broker has acknowledged them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ingest_api.http.errors import Unavailable


class MemoryBudget:
    """Holds so many bytes of submissions at most, and a single one whatever its size.

    What a client merely announces takes no room: it might never send it. Where there is no room for more, the
    submission that has been arriving for the longest time is given up, if that is longer than `patience` seconds: who
    sends slowly does not keep all others out.
    """

    def __init__(self, limit: int, patience: float) -> None:
        self.held = 0
        self._limit = limit
        self._patience = patience
        # With the times at which they began, in that order.
        self._arriving: dict[Submission, float] = {}

    def submission(self) -> "Submission":
        """Return a context within which a submission's bytes are held."""
        return Submission(self)

    def check(self, submission: "Submission", size: int) -> None:
        """Make sure that there is room for so many bytes more of a submission.

        Raises:
            Unavailable: if there is none.
        """
        if self.held > submission.size and self.held + size > self._limit:
            self._give_up_slowest()
            raise Unavailable("Too many submissions wait for the broker, try again", missing="memory")

    def begin(self, submission: "Submission") -> None:
        """Note that a submission begins to arrive."""
        self._arriving[submission] = asyncio.get_running_loop().time()

    def end(self, submission: "Submission") -> None:
        """Note that a submission does not arrive any more."""
        self._arriving.pop(submission, None)

    def _give_up_slowest(self) -> None:
        submission, begun = next(iter(self._arriving.items()), (None, 0.0))
        if submission is not None and asyncio.get_running_loop().time() - begun > self._patience:
            self.end(submission)
            submission.give_up()


class Submission:
    """What is held of one submission."""

    def __init__(self, budget: MemoryBudget) -> None:
        self.size = 0
        self._budget = budget
        self._arriving = asyncio.timeout(None)

    def __enter__(self) -> "Submission":
        return self

    def __exit__(self, *_: object) -> None:
        self._budget.held -= self.size

    def check(self, size: int) -> None:
        """Make sure that there is room for so many bytes more.

        Raises:
            Unavailable: if there is none.
        """
        self._budget.check(self, size)

    def add(self, size: int) -> None:
        """Hold so many bytes more.

        Raises:
            Unavailable: if there is no room for them.
        """
        self._budget.check(self, size)
        self.size += size
        self._budget.held += size

    @asynccontextmanager
    async def arrival(self) -> AsyncIterator[None]:
        """Take into account that the submission arrives.

        Raises:
            Unavailable: at the end, if it was given up.
        """
        self._budget.begin(self)
        try:
            async with self._arriving:
                yield
        except TimeoutError:
            raise Unavailable(
                "The submission came too slowly while others waited, try again", missing="memory"
            ) from None
        finally:
            self._budget.end(self)

    def give_up(self) -> None:
        """End the arrival."""
        self._arriving.reschedule(asyncio.get_running_loop().time())
