"""Cross-origin requests (CORS): which pages of other origins may call the gateway, with which headers."""

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

_METHODS = ("GET", "POST", "DELETE")
# Of requests, beside those that browsers always allow.
_REQUEST_HEADERS = (
    *("authorization", "x-user-token", "x-admin-token", "content-type"),
    *("idempotency-key", "prefer", "last-event-id", "x-request-id"),
)
# Of answers, which a script could not read otherwise.
_ANSWER_HEADERS = (
    *("location", "retry-after", "ratelimit", "ratelimit-policy", "preference-applied", "www-authenticate"),
    "x-request-id",
)


def allowing(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Return the app with answers that pages of these origins may read.

    Cookies are never allowed: a token is sent in a header, which no page can do by accident.
    """
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=_METHODS,
        allow_headers=_REQUEST_HEADERS,
        expose_headers=_ANSWER_HEADERS,
    )
