"""Quotas: how much a user may submit."""

from ingest_api.http.errors import TooManyRequests
from ingest_api.users.rate_limiter import RateLimiter
from shared.settings import Settings

# About 16 MB each. Of more users than this, those that were silent for the longest time begin anew.
_USERS = 100_000


_ECGS, _BYTES = "ecgs", "bytes"


class Quotas:
    """Lets a user submit so many ECGs, and so many bytes of them, a minute through this process; or any number."""

    def __init__(self, settings: Settings) -> None:
        limits = {_ECGS: settings.quota_ecgs_per_minute, _BYTES: settings.quota_bytes_per_minute}
        self._limiters = {unit: RateLimiter(per_minute, _USERS) for unit, per_minute in limits.items() if per_minute}

    def use(self, username: str, size: int) -> None:
        """Count a submission of so many bytes. The last one for which there is room may be larger than what is left.

        Raises:
            TooManyRequests: if there is no room; nothing is counted then.
        """
        for unit, limiter in self._limiters.items():
            if wait := limiter.wait(username):
                raise TooManyRequests(
                    f"Over the quota of {limiter.per_minute} {unit} a minute, try again later",
                    wait,
                    policy=f'"{unit}";q={limiter.per_minute};w=60',
                )
        for unit, limiter in self._limiters.items():
            limiter.use(username, 1 if unit == _ECGS else size)

    def correct(self, username: str, size: int) -> None:
        """Count so many more bytes of a submission, or fewer, now that its size is known."""
        if limiter := self._limiters.get(_BYTES):
            limiter.use(username, size)
