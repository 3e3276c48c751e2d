"""Noticing that Faust has lost a message on its way from the consumer to the agent.

Without this, a lost message is noticed only when a later one of its partition arrives, and is not processed until then.
`Offsets` prevents a commit past it in any case (docs/decisions/0006-no-commit-before-changelog.md). The known ways to
lose a message are avoided by the fetch and the recovery; upstream knows of the latter (recovery.py).
"""

from typing import cast

from faust.types import TP, AppT

from stream_agents.faust_fixes.consumer import Consumer
from stream_agents.faust_fixes.offsets import MessageLost


class ArrivalCheck:
    """Looks for fetched messages that do not arrive although the agent is idle."""

    def __init__(self, app: AppT) -> None:
        self._app = app
        self._missing: dict[TP, int] = {}

    def arrived(self) -> None:
        """Note that messages have arrived: any others may be behind them."""
        self._missing = {}

    def idle(self) -> None:
        """Look for messages that have not arrived, after a time in which none did.

        Raises:
            MessageLost: if one of them had not arrived last time either.
        """
        if self._app.rebalancing:
            self._missing = {}
            return
        missing = cast("Consumer", self._app.consumer).offsets.first_unstored()
        if lost := missing.items() & self._missing.items():
            raise MessageLost(f"fetched and never arrived: {sorted(lost)}")
        self._missing = missing
