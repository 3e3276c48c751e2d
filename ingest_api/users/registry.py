"""Users and the digests of their tokens: a gateway's view of the topic `ecg.users`, which stores them."""

import asyncio
import heapq
import hmac
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
import structlog
from aiokafka.errors import KafkaError

from ingest_api.kafka.publisher import Publisher
from ingest_api.users import tokens
from shared.kafka.client_watch import end, watched
from shared.kafka.compacted_view import TopicView
from shared.kafka.topics import Topics
from shared.messages.users import UserRecord, decode, encode
from shared.settings import Settings

log = structlog.get_logger(__name__)

# An account is looked up by the first half of its token's digest, and compared by all of it.
_SELECTOR = slice(16)
# More than one, so that the view does not become too old when a single look fails.
_LOOKS_PER_STALENESS = 4


class Account(msgspec.Struct, frozen=True):
    """A user in a gateway's view; `expires` is `expires_at` in seconds since the epoch, infinite for None."""

    username: str
    digest: bytes
    created_at: datetime
    issued_at: datetime
    expires_at: datetime | None
    expires: float


class UserRegistry:
    """Registers users and authenticates them by token, in constant time.

    This gateway refuses a replaced or deleted token at once, and others as soon as the record reaches them. A gateway
    that is cut off from the broker recognises no token once its view is older than `token_staleness` seconds. See
    docs/decisions/0018-tokens.md.
    """

    def __init__(
        self, settings: Settings, topics: Topics, publisher: Publisher, clock: Callable[[], float] = time.time
    ) -> None:
        self._publisher = publisher
        self._topic = topics.users.name
        self._timeout = settings.query_timeout
        self._staleness = settings.token_staleness
        self._clock = clock
        self._by_selector: dict[bytes, Account] = {}
        self._by_username: dict[str, Account] = {}
        self._looking: asyncio.Task[None] | None = None
        self.view = TopicView(settings, topics.users, self._apply)

    async def start(self) -> None:
        """Read the users, and keep the view of them up to date.

        Raises:
            KafkaError: if the broker cannot be reached.
        """
        await self.view.start()
        self._looking = watched(asyncio.create_task(self._look(), name="reads the end of the users"))

    async def stop(self) -> None:
        """Stop following the topic."""
        if self._looking:
            await end(self._looking)
        await self.view.stop()

    async def register(self, username: str, lifetime: float | None = None) -> tuple[str, datetime | None]:
        """Register a user, or give one a new token; return the token, which is not stored, and when it expires.

        Args:
            username: a valid name.
            lifetime: the seconds until the token expires, or None if it never does.

        Raises:
            KafkaError: if the broker does not acknowledge it.
        """
        known, now = self._by_username.get(username), datetime.now(UTC)
        token = tokens.new()
        expires_at = None if lifetime is None else now + timedelta(seconds=lifetime)
        record = UserRecord(username, tokens.digest(token).hex(), known.created_at if known else now, now, expires_at)
        await self._publish(username, encode(record))
        return token, expires_at

    async def has(self, username: str) -> bool:
        """Return True if there is such a user.

        Raises:
            KafkaError: if the broker cannot be asked for the latest records.
        """
        if username not in self._by_username:
            await self.view.catch_up()
        return username in self._by_username

    async def delete(self, username: str) -> bool:
        """Delete a user, which revokes the token; return True if there was such a user.

        Raises:
            KafkaError: if the broker does not acknowledge it.
        """
        if not await self.has(username):
            return False
        await self._publish(username, None)
        return True

    async def page(self, limit: int, after: str) -> list[Account]:
        """Return the first `limit` users after a name, sorted by name.

        Raises:
            KafkaError: if the broker cannot be asked for the latest records.
        """
        await self.view.catch_up()
        names = heapq.nsmallest(limit, (name for name in self._by_username if name > after))
        return [self._by_username[name] for name in names]

    def registered_at(self, username: str) -> datetime | None:
        """Return when a user was registered first, or None if there is no such user."""
        account = self._by_username.get(username)
        return account.created_at if account is not None else None

    def recognise(self, token: str) -> str | None:
        """Return the user of a token, from the local view only, which may lag behind the topic.

        Returns None for an unknown or expired token, or if the view is too old. The time that this takes depends
        neither on the number of users nor on how much of a token is right.
        """
        digest = tokens.digest(token)
        account = self._by_selector.get(digest[_SELECTOR])
        if (
            account is None
            or not hmac.compare_digest(account.digest, digest)
            or self._clock() >= account.expires
            or self.view.age > self._staleness
        ):
            return None
        return account.username

    async def look_up(self, token: str) -> str | None:
        """Return the user of a token, or None if no user has it.

        Another gateway may just have issued a token that is unknown here, so this first reads to the topic's end.

        Raises:
            KafkaError, TimeoutError: if that is impossible.
        """
        async with asyncio.timeout(self._timeout):
            await self.view.catch_up()
        return self.recognise(token)

    async def _publish(self, username: str, value: bytes | None) -> None:
        await self._publisher.publish(self._topic, value, username.encode())
        await self.view.catch_up()

    async def _look(self) -> None:
        """Read to the topic's end regularly, so that the view is never too old while the broker is reachable."""
        pause = self._staleness / _LOOKS_PER_STALENESS
        while True:
            await asyncio.sleep(pause)
            try:
                await self.view.catch_up()
            except (KafkaError, TimeoutError) as error:
                log.warning("the view of users was not updated", seconds=round(self.view.age, 1), error=repr(error))

    def _apply(self, username: str, value: bytes | None) -> None:
        if old := self._by_username.pop(username, None):
            self._by_selector.pop(old.digest[_SELECTOR], None)
        if value is not None:
            account = _account(username, decode(value))
            self._by_username[username] = account
            self._by_selector[account.digest[_SELECTOR]] = account


def _account(username: str, record: UserRecord) -> Account:
    expires = float("inf") if record.expires_at is None else record.expires_at.timestamp()
    return Account(
        username,
        bytes.fromhex(record.token_digest),
        record.created_at,
        record.issued_at or record.created_at,
        record.expires_at,
        expires,
    )
