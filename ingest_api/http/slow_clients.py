"""Clients: how long they are waited for, and how much may wait for them."""

import asyncio
import math
from enum import Enum
from typing import Protocol

from shared.settings import Settings

LEAST_BYTES_PER_SECOND = 1024
"""What a client must send of a body, or take of an answer, on the average of `client_timeout` seconds."""

_LOOKS_PER_TIMEOUT = 4


class Awaited(Enum):
    """What a gateway may wait for its client to do."""

    REQUEST = "to send the head of a request"
    BODY = "to send more of its body"
    READING = "to read more of an answer"


class Client(Protocol):
    """The client at the other end of a connection."""

    @property
    def awaited(self) -> tuple[Awaited, object] | None:
        """What it is waited for, and in which request."""

    @property
    def received(self) -> int:
        """How many bytes have come from it."""

    @property
    def unread(self) -> int:
        """How many bytes wait to be read by it."""

    def give_up(self) -> None:
        """Wait no longer for it."""

    def hang_up(self) -> None:
        """End the connection at once, whatever waits to be read."""


class Clients:
    """All clients of a gateway: what one of them does not do harms no other.

    One has `client_timeout` seconds for the head of a request, and must not be slower than `LEAST_BYTES_PER_SECOND`
    with the rest. Answers that wait to be read take `max_unread_bytes` at most, or are a single one: those who read
    slowest go first.
    """

    def __init__(self, settings: Settings) -> None:
        self._timeout = settings.client_timeout
        self._max_unread = settings.max_unread_bytes
        self._patience: dict[Client, _Patience] = {}
        self._reading: dict[Client, _Reading] = {}

    def add(self, client: Client) -> None:
        """Look after a client."""
        if not self._patience:
            self._look_later()
        self._patience[client] = _Patience()

    def remove(self, client: Client) -> None:
        """Look no more after one."""
        self._patience.pop(client, None)
        self._reading.pop(client, None)

    def has_to_read(self, client: Client) -> None:
        """Note that much of an answer waits to be read."""
        now = asyncio.get_running_loop().time()
        self._reading[client] = _Reading(now, client.unread)
        while len(self._reading) > 1 and sum(reader.unread for reader in self._reading) > self._max_unread:
            slowest = min(self._reading, key=lambda reader: self._reading[reader].speed(now, reader.unread))
            del self._reading[slowest]
            slowest.hang_up()

    def has_read(self, client: Client) -> None:
        """Note that most of it was read."""
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
    """What a client is waited for, since when, and how much it has done since then."""

    def __init__(self) -> None:
        self._awaited: tuple[Awaited, object] | None = None
        self._since = 0.0
        self._left = 0
        self._done = 0

    def is_over(self, now: float, client: Client, timeout: float) -> bool:
        """Tell whether it has done too little for too long."""
        awaited = client.awaited
        if awaited is None:
            self._awaited = None
            return False
        left = client.unread if awaited[0] is Awaited.READING else -client.received
        if awaited != self._awaited:
            self._awaited, self._since, self._left, self._done = awaited, now, left, 0
            return False
        # Meanwhile more may have been written.
        self._done += max(0, self._left - left)
        self._left = left
        if now - self._since < timeout:
            return False
        if awaited[0] is Awaited.REQUEST or self._done < LEAST_BYTES_PER_SECOND * timeout:
            return True
        self._since, self._done = now, 0
        return False


class _Reading:
    """Since when a client has had something to read, and how much that was."""

    def __init__(self, since: float, size: int) -> None:
        self._since = since
        self._size = size

    def speed(self, now: float, left: int) -> float:
        """Return the bytes that it has read each second."""
        return (self._size - left) / (now - self._since) if now > self._since else math.inf
