"""Rate limits: token buckets in bounded memory, and the address that a request counts for."""

import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_MINUTE = 60.0
# Sums of seconds are not exact.
_ROUNDING = 1e-6
# The half of an IPv6 address that a network is given; the other half its machines choose as they like.
_IPV6_PREFIX = 64
# Of what is no address at all, whatever a proxy sends.
_LONGEST_NAME = 64


class RateLimiter:
    """Lets every key use `per_minute` units a minute, a minute's worth of them at once; with 0 there is no limit.

    A key is one number in memory, the time at which its bucket is full again (the generic cell rate algorithm). Of more
    than `capacity` keys those that were not used for the longest time are forgotten: they begin with a full bucket.
    """

    def __init__(self, per_minute: int, capacity: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_minute = per_minute
        self._seconds_per_unit = _MINUTE / per_minute if per_minute else 0.0
        self._capacity = capacity
        self._clock = clock
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def wait(self, key: str) -> float:
        """Return the seconds until the key has something left, 0 if it has."""
        full_at = self._full_at.get(key)
        if full_at is None:
            return 0.0
        wait = full_at - self._clock() - _MINUTE + self._seconds_per_unit
        return wait if wait > _ROUNDING else 0.0

    def use(self, key: str, units: float = 1) -> None:
        """Use units, even more than are left: the key waits until they are made up for. Less than 0 gives some back."""
        if not self.per_minute:
            return
        full_at = max(self._full_at.get(key, 0.0), self._clock()) + units * self._seconds_per_unit
        self._full_at[key] = full_at
        self._full_at.move_to_end(key)
        if len(self._full_at) > self._capacity:
            self._full_at.popitem(last=False)


def network(host: str) -> str:
    """Return what an address counts for: itself, or its /64 network if it is of IPv6.

    Who has one IPv6 address has 2^64 of them.
    """
    try:
        address: IPv4Address | IPv6Address = ip_address(host)
    except ValueError:
        return host[:_LONGEST_NAME]
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(IPv6Network((int(address), _IPV6_PREFIX), strict=False))
    return host
