"""Users: who holds which token. The topic `ecg.users` is the truth; this is a replica's view of it."""

import asyncio
import secrets
from datetime import UTC, datetime
from hashlib import sha256

import msgspec

from ingest_api.publisher import Publisher
from ingest_api.view import TopicView
from shared.settings import Settings
from shared.topics import Topics

TOKEN_PREFIX = "ecg_"  # noqa: S105 - makes a leaked token recognisable


class UserRecord(msgspec.Struct):
    """What the topic says of a user."""

    username: str
    token_digest: str
    created_at: str


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(UserRecord)


class Users:
    """Registers users and authenticates them by token, in constant time."""

    def __init__(self, settings: Settings, topics: Topics, publisher: Publisher) -> None:
        self._publisher = publisher
        self._topic = topics.users.name
        self._timeout = settings.query_timeout
        self._username_by_digest: dict[str, str] = {}
        self._digest_by_username: dict[str, str] = {}
        self.view = TopicView(settings, topics.users, self._apply)

    async def register(self, username: str) -> str:
        """Register a user, or give one a new token, and return the token; it is stored nowhere.

        Raises:
            KafkaError: if the broker does not acknowledge it.
        """
        token = TOKEN_PREFIX + secrets.token_urlsafe(32)
        record = UserRecord(username, _digest(token), datetime.now(UTC).isoformat())
        await self._publisher.publish(self._topic, _encoder.encode(record), username.encode())
        await self.view.catch_up()
        return token

    async def authenticate(self, token: str) -> str | None:
        """Return whose token it is, or None for nobody's.

        A token unknown here may have been issued by another replica just now, so that the answer
        "nobody's" is given only after reading to the topic's end.

        Raises:
            KafkaError, TimeoutError: if that is impossible.
        """
        digest = _digest(token)
        if digest not in self._username_by_digest:
            async with asyncio.timeout(self._timeout):
                await self.view.catch_up()
        return self._username_by_digest.get(digest)

    def _apply(self, username: str, value: bytes | None) -> None:
        if old := self._digest_by_username.pop(username, None):
            del self._username_by_digest[old]
        if value is not None:
            digest = _decoder.decode(value).token_digest
            self._digest_by_username[username] = digest
            self._username_by_digest[digest] = username


def _digest(token: str) -> str:
    # A plain hash is enough: the token has 256 random bits, there is nothing to guess.
    return sha256(token.encode()).hexdigest()
