"""Rate limits: token buckets in bounded memory, and the key that an address is counted under."""

import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_MINUTE = 60.0
# Tolerates the rounding errors of sums of seconds.
_ROUNDING = 1e-6
# Networks are assigned this many bits of an IPv6 address; their machines choose the other half freely.
_IPV6_PREFIX = 64
# Limit for a source that is not an IP address, which only a proxy can send.
_LONGEST_NAME = 64


class RateLimiter:
    """Lets every key use `per_minute` units a minute, possibly in one burst; 0 means no limit.

    A key takes one number in memory, the time at which its bucket is full again (the generic cell rate algorithm).
    Beyond `capacity` keys, the least recently used ones are forgotten, and start again with a full bucket.
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
        """Return the seconds until the key may use a unit, 0 if it may now."""
        full_at = self._full_at.get(key)
        if full_at is None:
            return 0.0
        wait = full_at - self._clock() - _MINUTE + self._seconds_per_unit
        return wait if wait > _ROUNDING else 0.0

    def use(self, key: str, units: float = 1) -> None:
        """Use units, even more than are left: the key then waits longer. A negative number gives units back."""
        if not self.per_minute:
            return
        full_at = max(self._full_at.get(key, 0.0), self._clock()) + units * self._seconds_per_unit
        self._full_at[key] = full_at
        self._full_at.move_to_end(key)
        if len(self._full_at) > self._capacity:
            self._full_at.popitem(last=False)


def network(host: str) -> str:
    """Return the key that an address is counted under: itself, or its /64 network for IPv6.

    A client with one IPv6 address usually has all 2^64 of its network.
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
