"""The token that a request carries: in the header of its kind, or as a bearer token (RFC 6750)."""

from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.datastructures import Headers

from ingest_api.http.errors import Unauthorized

USER_HEADER = "x-user-token"
ADMIN_HEADER = "x-admin-token"

_AUTHORIZATION = b"authorization"
_SCHEME = b"bearer "

# For the documentation, which names them in this order. `token` reads the headers, because the direct routes bypass
# FastAPI's dependencies.
USER_SCHEMES = (
    APIKeyHeader(name=USER_HEADER, scheme_name="userToken", description="A user's token.", auto_error=False),
    HTTPBearer(scheme_name="userBearer", description="The same token as a bearer token.", auto_error=False),
)
ADMIN_SCHEMES = (
    APIKeyHeader(
        name=ADMIN_HEADER, scheme_name="adminToken", description="The administrator's token.", auto_error=False
    ),
    HTTPBearer(scheme_name="adminBearer", description="The same token as a bearer token.", auto_error=False),
)


def token(headers: Headers, header: str) -> str:
    """Return the token in a request's own header or in `Authorization: Bearer`, or an empty text if there is none.

    Other schemes of `Authorization` are ignored: a proxy may have asked for them.

    Raises:
        Unauthorized: if the request carries different tokens, of which none can be preferred.
    """
    own, found = header.encode(), b""
    for name, value in headers.raw:
        if name == own:
            given = value
        elif name == _AUTHORIZATION and value[: len(_SCHEME)].lower() == _SCHEME:
            given = value[len(_SCHEME) :].strip()
        else:
            continue
        if given and found and given != found:
            raise Unauthorized(f"{header} and authorization carry different tokens: send one")
        found = given or found
    return found.decode("latin-1")
