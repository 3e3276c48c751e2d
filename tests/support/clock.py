"""A clock for code that is given one."""


class Clock:
    """Stands still until it is moved, in seconds."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now
