"""Waiting for insights, for both clients."""

import math
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from ecg_client.errors import NotFound, StillProcessing
from ecg_client.requests import Call
from shared.security.ids import is_issued

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 1.0
# Seconds of one `Prefer: wait`, fewer than the idle timeouts of proxies.
_LONGEST_WAIT = 20

T = TypeVar("T")


class Waiting(Generic[T]):
    """The state of waiting for an ECG: how long to ask the gateway to wait, the next pause, and the deadline.

    Args:
        ecg_id: the ECG's id, or that of a recording.
        timeout: in seconds.
        ask: returns the call that asks for the insights, from the id, the token and the seconds to wait.
        awaited: the noun in the error for the awaited insights.
        submitted: True if it was submitted just before.
    """

    def __init__(
        self,
        ecg_id: str,
        timeout: float,
        ask: Callable[[str, str, int], Call[T]],
        awaited: str = "insights",
        *,
        submitted: bool,
    ) -> None:
        self._ecg_id = ecg_id
        self._awaited = awaited
        self._timeout = timeout
        self._ask = ask
        self._submitted = submitted
        self._deadline = time.monotonic() + timeout
        self._pause = _FIRST_PAUSE
        self._answer_due = math.inf

    @property
    def left(self) -> float:
        """The seconds until the deadline."""
        return max(0.0, self._deadline - time.monotonic())

    def call(self, token: str) -> Call[T]:
        """Return the next call."""
        wait = min(int(self.left), _LONGEST_WAIT)
        self._answer_due = time.monotonic() + wait if wait else math.inf
        return self._ask(self._ecg_id, token, wait)

    def pending(self) -> None:
        """Note that the ECG is being processed; raise `StillProcessing` after the deadline."""
        if not self.left:
            raise StillProcessing(f"no {self._awaited} of {self._ecg_id} within {self._timeout:g} s")

    def unknown(self, error: NotFound) -> None:
        """Note that the gateway does not know the ECG; raise the error if it is final, or after the deadline."""
        if self._submitted:
            # One that was erased before is known only once it is processed again.
            self.pending()
        elif is_issued(self._ecg_id) or not self.left:
            # Gateways know their own ECGs from the 201 on.
            raise error

    def pause(self) -> float:
        """Return the seconds before the next call: none if the gateway itself has waited."""
        if time.monotonic() >= self._answer_due:
            self._pause = _FIRST_PAUSE
            return 0.0
        pause = min(self._pause, self.left)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        return pause
