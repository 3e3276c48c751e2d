"""Limits the bytes of submissions that a gateway holds, from their arrival until the broker has acknowledged them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ingest_api.http.errors import Unavailable


class MemoryBudget:
    """Holds at most `limit` bytes of submissions, or a single submission of any size.

    Announced bytes take no room, because the client might never send them. If there is no room for more, the submission
    that has been arriving longest is given up, if it takes longer than `patience` seconds, so that slow clients do not
    keep others out.
    """

    def __init__(self, limit: int, patience: float) -> None:
        self.held = 0
        self._limit = limit
        self._patience = patience
        # The submissions that are arriving, with the times at which they began, in that order.
        self._arriving: dict[Submission, float] = {}

    def submission(self) -> "Submission":
        """Return a context that holds a submission's bytes until it ends."""
        return Submission(self)

    def check(self, submission: "Submission", size: int) -> None:
        """Check that there is room for `size` more bytes of a submission.

        Raises:
            Unavailable: if there is not.
        """
        if self.held > submission.size and self.held + size > self._limit:
            self._give_up_slowest()
            raise Unavailable("Too many submissions wait for the broker, try again", missing="memory")

    def begin(self, submission: "Submission") -> None:
        """Note that a submission begins to arrive."""
        self._arriving[submission] = asyncio.get_running_loop().time()

    def end(self, submission: "Submission") -> None:
        """Note that a submission no longer arrives."""
        self._arriving.pop(submission, None)

    def _give_up_slowest(self) -> None:
        submission, begun = next(iter(self._arriving.items()), (None, 0.0))
        if submission is not None and asyncio.get_running_loop().time() - begun > self._patience:
            self.end(submission)
            submission.give_up()


class Submission:
    """The bytes held of one submission."""

    def __init__(self, budget: MemoryBudget) -> None:
        self.size = 0
        self._budget = budget
        self._arriving = asyncio.timeout(None)

    def __enter__(self) -> "Submission":
        return self

    def __exit__(self, *_: object) -> None:
        self._budget.held -= self.size

    def check(self, size: int) -> None:
        """Check that there is room for `size` more bytes.

        Raises:
            Unavailable: if there is not.
        """
        self._budget.check(self, size)

    def add(self, size: int) -> None:
        """Hold `size` more bytes.

        Raises:
            Unavailable: if there is no room for them.
        """
        self._budget.check(self, size)
        self.size += size
        self._budget.held += size

    @asynccontextmanager
    async def arrival(self) -> AsyncIterator[None]:
        """Count the submission as arriving until the block ends.

        Raises:
            Unavailable: if it is given up meanwhile.
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
        """Cancel the arrival."""
        self._arriving.reschedule(asyncio.get_running_loop().time())
