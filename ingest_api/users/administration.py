"""The administrator's work on users: registering and listing them."""

import asyncio
from datetime import datetime

from aiokafka.errors import KafkaError

from ingest_api.audit.writer import AuditWriter
from ingest_api.http.errors import Unavailable
from ingest_api.users.registry import Account, UserRegistry
from shared.messages.audit import ADMIN, Action
from shared.settings import Settings


class Administration:
    """Registers users, after a record in the audit, and lists them; each within the time limit of a request."""

    def __init__(self, settings: Settings, users: UserRegistry, audit: AuditWriter) -> None:
        self._publish_timeout = settings.publish_timeout
        self._query_timeout = settings.query_timeout
        self._users = users
        self._audit = audit

    async def register(self, username: str, lifetime: float | None) -> tuple[str, datetime | None]:
        """Register a user, or give one a new token; return the token and when it expires.

        Args:
            username: a valid name.
            lifetime: the seconds until the token expires, or None if it never does.

        Raises:
            Unavailable: if the broker does not acknowledge the audit record and the user in time.
        """
        try:
            async with asyncio.timeout(self._publish_timeout):
                # The audit record comes first, so that nothing is done without one.
                action: Action = "token_rotated" if await self._users.has(username) else "user_registered"
                await self._audit.record(action, username, who=ADMIN)
                return await self._users.register(username, lifetime)
        except (KafkaError, TimeoutError):
            raise Unavailable("The user was not acknowledged by the broker, try again", missing="broker") from None

    async def page(self, limit: int, after: str) -> tuple[list[Account], str | None]:
        """Return the first `limit` users after a name, sorted by name, and the last one's name if more follow.

        Raises:
            Unavailable: if the broker does not answer in time.
        """
        try:
            async with asyncio.timeout(self._query_timeout):
                accounts = await self._users.page(limit + 1, after)
        except (KafkaError, TimeoutError):
            raise Unavailable("The users cannot be listed now, try again", missing="broker") from None
        page = accounts[:limit]
        return page, page[-1].username if len(accounts) > limit else None
