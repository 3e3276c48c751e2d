"""Authentication of users and of the administrator, by the token that a request carries."""

import hmac

from aiokafka.errors import KafkaError
from fastapi import Request

from ingest_api import metrics
from ingest_api.http.errors import TooManyRequests, Unauthorized, Unavailable
from ingest_api.users import tokens
from ingest_api.users.credentials import ADMIN_HEADER, USER_HEADER
from ingest_api.users.credentials import token as token_of
from ingest_api.users.rate_limiter import RateLimiter, network
from ingest_api.users.registry import UserRegistry
from shared.settings import Settings

TOO_MANY_FAILURES = "Too many wrong tokens from your address, try again later"

# About 2 MB. A client with more addresses than this escapes the limit, because the oldest ones are forgotten.
_SOURCES = 10_000


class Authenticator:
    """Authenticates requests, and limits wrong tokens per source address.

    Args:
        settings: contain the administrator's token, and the limit of wrong tokens per address and minute.
        users: the users and their tokens.

    Raises:
        ValueError: if there is no admin token.
    """

    def __init__(self, settings: Settings, users: UserRegistry) -> None:
        if settings.admin_token is None:
            raise ValueError("ECG_ADMIN_TOKEN must be set")
        self._users = users
        self._admin_token = settings.admin_token.get_secret_value().encode()
        self._failures = _Failures(settings.auth_failures_per_minute)

    async def user(self, request: Request) -> str:
        """Return the name of the user whose token came with a request.

        Raises:
            Unauthorized: if there is no token, or no user has it, or there are different ones.
            TooManyRequests: if too many wrong tokens came from the same address.
            Unavailable: if the token is unknown here, and the broker cannot be asked for new users.
        """
        token = token_of(request.headers, USER_HEADER)
        if not token:
            raise Unauthorized("Invalid user token")
        # Known tokens come first, without a limit: other clients behind the same address may send wrong ones.
        username = self._users.recognise(token)
        return username if username is not None else await self._look_up(request, token)

    def require_admin(self, request: Request) -> None:
        """Check that the administrator's token came with a request.

        Raises:
            Unauthorized: if it is not.
            TooManyRequests: if too many wrong tokens came from the same address.
        """
        token = token_of(request.headers, ADMIN_HEADER)
        if not token:
            raise Unauthorized("Invalid admin token")
        if not hmac.compare_digest(token.encode(), self._admin_token):
            self._failures.check(request, ADMIN_HEADER)
            self._failures.count(request, ADMIN_HEADER)
            raise Unauthorized("Invalid admin token")

    async def _look_up(self, request: Request, token: str) -> str:
        """Return the user of a token; only a well-formed one is worth a question to the broker."""
        self._failures.check(request, USER_HEADER)
        try:
            username = await self._users.look_up(token) if tokens.is_well_formed(token) else None
        except (KafkaError, TimeoutError):
            raise Unavailable("Tokens cannot be checked now, try again", missing="users") from None
        if username is None:
            self._failures.count(request, USER_HEADER)
            raise Unauthorized("Invalid user token")
        return username


class _Failures:
    """Limits wrong tokens per source address, and counts them per header."""

    def __init__(self, per_minute: int) -> None:
        self._limiter = RateLimiter(per_minute, _SOURCES)

    def check(self, request: Request, header: str) -> None:
        """Check that the source of a request has not sent too many wrong tokens.

        Raises:
            TooManyRequests: if it has.
        """
        if wait := self._limiter.wait(_source(request)):
            metrics.failed_authentications.labels(header, "refused").inc()
            raise TooManyRequests(TOO_MANY_FAILURES, wait)

    def count(self, request: Request, header: str) -> None:
        """Count a wrong token."""
        metrics.failed_authentications.labels(header, "wrong").inc()
        self._limiter.use(_source(request))


def _source(request: Request) -> str:
    return network(request.client.host) if request.client else ""
