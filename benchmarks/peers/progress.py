"""How far a peer is, printed for whoever measures it."""

import time


class Progress:
    """Counts messages; prints time, count and CPU seconds every so many, of which all preloaded ones are a multiple."""

    def __init__(self, every: int = 1) -> None:
        self._every = every
        self._done = 0

    def advance(self, messages: int) -> None:
        """Count messages."""
        self._done += messages
        if messages and self._done % self._every == 0:
            print("done", time.monotonic(), self._done, time.process_time(), flush=True)
