"""The progress of a peer that writes no output topic, printed for the benchmark to read."""

import time


class Progress:
    """Counts messages, and prints time, count and CPU seconds."""

    def __init__(self) -> None:
        self._done = 0

    def advance(self, messages: int) -> None:
        """Add messages to the count, and print it."""
        self._done += messages
        print("done", time.monotonic(), self._done, time.process_time(), flush=True)
