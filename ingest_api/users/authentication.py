"""Authentication: dependencies that run before a body is read."""

import hmac
from typing import Annotated

from aiokafka.errors import KafkaError
from fastapi import Depends, Header, Request

from ingest_api import metrics
from ingest_api.http.errors import TooManyRequests, Unauthorized, Unavailable
from ingest_api.users import tokens
from ingest_api.users.rate_limiter import Limiter, network

TOO_MANY_FAILURES = "Too many wrong tokens from your address, try again later"

# About 2 MB. Whoever has more addresses than this is limited by none of them.
_SOURCES = 10_000


class Failures:
    """Wrong tokens: limited for each source address, and counted by the header that they came in."""

    def __init__(self, per_minute: int) -> None:
        self._limiter = Limiter(per_minute, _SOURCES)

    def check(self, request: Request, header: str) -> None:
        """Let a token that is not known to be right be looked at, unless too many from there were wrong.

        Raises:
            TooManyRequests: if they were.
        """
        if wait := self._limiter.wait(_source(request)):
            metrics.failed_authentications.labels(header, "refused").inc()
            raise TooManyRequests(TOO_MANY_FAILURES, wait)

    def count(self, request: Request, header: str) -> None:
        """Note that a token was wrong."""
        metrics.failed_authentications.labels(header, "wrong").inc()
        self._limiter.use(_source(request))


async def authenticated_user(
    request: Request,
    token: Annotated[str | None, Header(alias="x-user-token", description="A user's token.")] = None,
) -> str:
    """Return the name of the user whose token came with the request."""
    if not token:
        raise Unauthorized("Invalid user token")
    # First, and without a limit: others behind the same address may send wrong ones.
    username: str | None = request.app.state.users.recognise(token)
    return username if username is not None else await _look_up(request, token)


async def _look_up(request: Request, token: str) -> str:
    """Return whose token it is that is not known yet; only one that may have been issued is worth asking the broker."""
    state = request.app.state
    state.failures.check(request, "x-user-token")
    try:
        username: str | None = await state.users.look_up(token) if tokens.is_well_formed(token) else None
    except (KafkaError, TimeoutError):
        raise Unavailable("Tokens cannot be checked now, try again", missing="users") from None
    if username is None:
        state.failures.count(request, "x-user-token")
        raise Unauthorized("Invalid user token")
    return username


async def require_admin(
    request: Request,
    token: Annotated[str | None, Header(alias="x-admin-token", description="The administrator's token.")] = None,
) -> None:
    """Let only the administrator pass."""
    state = request.app.state
    if not token:
        raise Unauthorized("Invalid admin token")
    if not hmac.compare_digest(token.encode(), state.admin_token.encode()):
        state.failures.check(request, "x-admin-token")
        state.failures.count(request, "x-admin-token")
        raise Unauthorized("Invalid admin token")


def _source(request: Request) -> str:
    return network(request.client.host) if request.client else ""


User = Annotated[str, Depends(authenticated_user)]
Admin = Depends(require_admin)
