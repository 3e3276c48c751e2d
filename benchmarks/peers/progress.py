"""How far a peer is, printed for whoever measures it."""

import time


class Progress:
    """Counts messages, and prints time, count and CPU seconds."""

    def __init__(self) -> None:
        self._done = 0

    def advance(self, messages: int) -> None:
        """Count messages."""
        self._done += messages
        print("done", time.monotonic(), self._done, time.process_time(), flush=True)
