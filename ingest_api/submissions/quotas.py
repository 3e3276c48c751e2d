"""Quotas: how much a user may submit per minute."""

from ingest_api.http.errors import TooManyRequests
from ingest_api.users.rate_limiter import RateLimiter
from shared.settings import Settings

# About 16 MB for each of the two quotas. Beyond this number of users, the longest silent ones start again.
_USERS = 100_000


_ECGS, _BYTES = "ecgs", "bytes"
_COUNTED = {_ECGS: "ECGs or chunks", _BYTES: "bytes"}


class Quotas:
    """Limits the ECGs, and their bytes, that a user submits per minute through this process; 0 means no limit."""

    def __init__(self, settings: Settings) -> None:
        limits = {_ECGS: settings.quota_ecgs_per_minute, _BYTES: settings.quota_bytes_per_minute}
        self._limiters = {unit: RateLimiter(per_minute, _USERS) for unit, per_minute in limits.items() if per_minute}

    def check(self, username: str) -> None:
        """Check that there is room in all quotas.

        Raises:
            TooManyRequests: if one is used up.
        """
        for unit, limiter in self._limiters.items():
            if wait := limiter.wait(username):
                raise TooManyRequests(
                    f"Over the quota of {limiter.per_minute} {_COUNTED[unit]} a minute, try again later",
                    wait,
                    policy=f'"{unit}";q={limiter.per_minute};w=60',
                )

    def use(self, username: str, size: int) -> None:
        """Count a submission of `size` bytes, which may be larger than the rest of a quota.

        Raises:
            TooManyRequests: if a quota is used up; nothing is counted then.
        """
        self.check(username)
        for unit, limiter in self._limiters.items():
            limiter.use(username, 1 if unit == _ECGS else size)

    def correct(self, username: str, size: int) -> None:
        """Count `size` more bytes of a submission whose size is now known; a negative number gives bytes back."""
        if limiter := self._limiters.get(_BYTES):
            limiter.use(username, size)
