"""The collaborators for users, and the dependencies that authenticate the calls of all features."""

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import Depends, Request, Security

from ingest_api.http.parameters import check_parameters
from ingest_api.http.services import GatewayServices, provided
from ingest_api.users.administration import Administration
from ingest_api.users.authentication import Authenticator
from ingest_api.users.credentials import ADMIN_SCHEMES, USER_SCHEMES
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
    _header: Annotated[object, Security(USER_SCHEMES[0])],
    _bearer: Annotated[object, Security(USER_SCHEMES[1])],
) -> str:
    """Return the name of the user whose token came with the request, and check the names of its parameters."""
    user = await services.authenticator.user(request)
    check_parameters(request)
    return user


async def require_admin(
    services: Services,
    request: Request,
    _header: Annotated[object, Security(ADMIN_SCHEMES[0])],
    _bearer: Annotated[object, Security(ADMIN_SCHEMES[1])],
) -> None:
    """Check that the request carries the administrator's token, and the names of its parameters."""
    services.authenticator.require_admin(request)
    check_parameters(request)


User: TypeAlias = Annotated[str, Depends(authenticated_user)]
Admin = Depends(require_admin)
