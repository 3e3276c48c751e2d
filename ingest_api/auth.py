"""Authentication: dependencies that run before a body is read."""

import hmac
from typing import Annotated

from aiokafka.errors import KafkaError
from fastapi import Depends, Header, Request

from ingest_api import tokens
from ingest_api.errors import Unauthorized, Unavailable


async def authenticated_user(
    request: Request,
    token: Annotated[str | None, Header(alias="x-user-token", description="A user's token.")] = None,
) -> str:
    """Return the name of the user whose token came with the request."""
    if not token:
        raise Unauthorized("Invalid user token")
    username: str | None = request.app.state.users.recognise(token)
    return username if username is not None else await _look_up(request, token)


async def _look_up(request: Request, token: str) -> str:
    """Return whose token it is that is not known yet; only one that may have been issued is worth asking the broker."""
    state = request.app.state
    try:
        username: str | None = await state.users.look_up(token) if tokens.is_well_formed(token) else None
    except (KafkaError, TimeoutError):
        raise Unavailable("Tokens cannot be checked now, try again") from None
    if username is None:
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
        raise Unauthorized("Invalid admin token")


User = Annotated[str, Depends(authenticated_user)]
Admin = Depends(require_admin)
