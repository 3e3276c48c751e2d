"""The collaborators for users, and the dependencies that authenticate the calls of all features."""

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import Depends, Header, Request

from ingest_api.http.services import GatewayServices, provided
from ingest_api.users.administration import Administration
from ingest_api.users.authentication import ADMIN_HEADER, USER_HEADER, Authenticator
from ingest_api.users.registry import UserRegistry


@dataclass(frozen=True, kw_only=True)
class UserServices(GatewayServices):
    """The collaborators of every call by a user or the administrator."""

    users: UserRegistry
    authenticator: Authenticator
    administration: Administration


Services: TypeAlias = Annotated[UserServices, Depends(provided(UserServices))]


async def authenticated_user(
    services: Services,
    request: Request,
    token: Annotated[str | None, Header(alias=USER_HEADER, description="A user's token.")] = None,
) -> str:
    """Return the name of the user whose token came with the request."""
    return await services.authenticator.user(request, token)


async def require_admin(
    services: Services,
    request: Request,
    token: Annotated[str | None, Header(alias=ADMIN_HEADER, description="The administrator's token.")] = None,
) -> None:
    """Check that the request carries the administrator's token."""
    services.authenticator.require_admin(request, token)


User: TypeAlias = Annotated[str, Depends(authenticated_user)]
Admin = Depends(require_admin)
