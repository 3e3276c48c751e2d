"""Authentication: dependencies that run before a body is read."""

import hmac
from typing import Annotated

from aiokafka.errors import KafkaError
from fastapi import Depends, Header, Request

from ingest_api.errors import Unauthorized, Unavailable


async def authenticated_user(
    request: Request,
    token: Annotated[str | None, Header(alias="x-user-token", description="A user's token.")] = None,
) -> str:
    """Return the name of the user whose token came with the request."""
    try:
        username = await request.app.state.users.authenticate(token) if token else None
    except (KafkaError, TimeoutError):
        raise Unavailable("Tokens cannot be checked now, try again", missing="users") from None
    if username is None:
        raise Unauthorized("Invalid user token")
    return str(username)


def require_admin(
    request: Request,
    token: Annotated[str | None, Header(alias="x-admin-token", description="The administrator's token.")] = None,
) -> None:
    """Let only the administrator pass."""
    expected: str = request.app.state.admin_token
    if token is None or not hmac.compare_digest(token.encode(), expected.encode()):
        raise Unauthorized("Invalid admin token")


User = Annotated[str, Depends(authenticated_user)]
Admin = Depends(require_admin)
