"""Slow clients: how long the gateway waits for them, and how many unread bytes it keeps for them."""

import asyncio
import math
from enum import Enum
from typing import Protocol

from shared.settings import Settings

LEAST_BYTES_PER_SECOND = 1024
"""The least rate at which a client sends a body or reads an answer, averaged over `client_timeout` seconds."""

_LOOKS_PER_TIMEOUT = 4


class Awaited(Enum):
    """The action of a client that the gateway waits for."""

    REQUEST = "to send the head of a request"
    BODY = "to send more of its body"
    READING = "to read more of an answer"


class Client(Protocol):
    """The client at the other end of a connection."""

    @property
    def awaited(self) -> tuple[Awaited, object] | None:
        """What the gateway waits for from it, and in which request; None if for nothing."""

    @property
    def received(self) -> int:
        """The bytes received from it."""

    @property
    def unread(self) -> int:
        """The bytes that wait for it to read them."""

    def give_up(self) -> None:
        """Stop waiting for it."""

    def hang_up(self) -> None:
        """Close the connection at once, even with unread bytes."""


class Clients:
    """All clients of a gateway, limited so that slow ones do not harm the others.

    A client has `client_timeout` seconds for the head of a request, and must not be slower than
    `LEAST_BYTES_PER_SECOND` with the rest. Unread answers take at most `max_unread_bytes`, except that a single one may
    be larger: beyond it, the slowest readers are cut off first.
    """

    def __init__(self, settings: Settings) -> None:
        self._timeout = settings.client_timeout
        self._max_unread = settings.max_unread_bytes
        self._patience: dict[Client, _Patience] = {}
        self._reading: dict[Client, _Reading] = {}

    def add(self, client: Client) -> None:
        """Begin to watch a client."""
        if not self._patience:
            self._look_later()
        self._patience[client] = _Patience()

    def remove(self, client: Client) -> None:
        """Stop watching a client."""
        self._patience.pop(client, None)
        self._reading.pop(client, None)

    def has_to_read(self, client: Client) -> None:
        """Note that a client has much of an answer to read."""
        now = asyncio.get_running_loop().time()
        self._reading[client] = _Reading(now, client.unread)
        while len(self._reading) > 1 and sum(reader.unread for reader in self._reading) > self._max_unread:
            slowest = min(self._reading, key=lambda reader: self._reading[reader].speed(now, reader.unread))
            del self._reading[slowest]
            slowest.hang_up()

    def has_read(self, client: Client) -> None:
        """Note that a client has read most of it."""
        self._reading.pop(client, None)

    def _look_later(self) -> None:
        asyncio.get_running_loop().call_later(self._timeout / _LOOKS_PER_TIMEOUT, self._look)

    def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        for client, patience in list(self._patience.items()):
            if patience.is_over(now, client, self._timeout):
                client.give_up()
        if self._patience:
            self._look_later()


class _Patience:
    """What the gateway waits for from a client, since when, and the bytes transferred since."""

    def __init__(self) -> None:
        self._awaited: tuple[Awaited, object] | None = None
        self._since = 0.0
        self._left = 0
        self._done = 0

    def is_over(self, now: float, client: Client, timeout: float) -> bool:
        """Return True if the client has transferred too little for `timeout` seconds."""
        awaited = client.awaited
        if awaited is None:
            self._awaited = None
            return False
        left = client.unread if awaited[0] is Awaited.READING else -client.received
        if awaited != self._awaited:
            self._awaited, self._since, self._left, self._done = awaited, now, left, 0
            return False
        # A larger number of unread bytes only means that the gateway has written more.
        self._done += max(0, self._left - left)
        self._left = left
        if now - self._since < timeout:
            return False
        if awaited[0] is Awaited.REQUEST or self._done < LEAST_BYTES_PER_SECOND * timeout:
            return True
        self._since, self._done = now, 0
        return False


class _Reading:
    """Since when a client has had much to read, and how many bytes that was."""

    def __init__(self, since: float, size: int) -> None:
        self._since = since
        self._size = size

    def speed(self, now: float, left: int) -> float:
        """Return the bytes per second that the client has read since."""
        return (self._size - left) / (now - self._since) if now > self._since else math.inf
