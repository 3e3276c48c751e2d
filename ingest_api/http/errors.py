"""The gateway's error responses: an exception for each status, and the handlers that turn them into JSON."""

import math
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from types import MappingProxyType

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.routing import BaseRoute, Route

from ingest_api import metrics
from ingest_api.http.responses import JsonResponse
from ingest_api.http.services import GatewayServices, services_of

RETRY_AFTER_SECONDS = 1
_METHODS_OF_FILES = {"GET", "HEAD"}


class ApiError(Exception):
    """An error response."""

    status: HTTPStatus
    headers: Mapping[str, str] | None = None

    def __init__(self, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field


class Unauthorized(ApiError):  # noqa: N818 - named for the status
    """401: the token is missing, unknown or expired."""

    status = HTTPStatus.UNAUTHORIZED
    headers = MappingProxyType({"www-authenticate": "Bearer"})


class NotFound(ApiError):  # noqa: N818
    """404: there is no such ECG for this user, or no such user."""

    status = HTTPStatus.NOT_FOUND


class NotAcceptable(ApiError):  # noqa: N818
    """406: the ECG cannot be represented in the format that the client asks for."""

    status = HTTPStatus.NOT_ACCEPTABLE


class Gone(ApiError):  # noqa: N818
    """410: the ECG's signals are no longer stored."""

    status = HTTPStatus.GONE


class TooLarge(ApiError):  # noqa: N818
    """413: the body is over the limit."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class UnsupportedMediaType(ApiError):  # noqa: N818
    """415: the body has a media type that the call does not take, or is compressed."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class Unprocessable(ApiError):  # noqa: N818
    """422: the request breaks the schema, or an accepted ECG could not be processed."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class TooManyRequests(ApiError):  # noqa: N818
    """429: a limit is exceeded; `Retry-After` says when to try again.

    Args:
        detail: a sentence about the limit.
        wait: the seconds until there is room again.
        policy: the limit as a value of the header `RateLimit-Policy`; None for a limit that clients cannot plan for.
    """

    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, detail: str, wait: float, policy: str | None = None) -> None:
        super().__init__(detail)
        seconds = max(1, math.ceil(wait))
        self.headers = {"retry-after": str(seconds)}
        if policy:
            self.headers |= {"ratelimit-policy": policy, "ratelimit": f"{policy.partition(';')[0]};r=0;t={seconds}"}


class Unavailable(ApiError):  # noqa: N818
    """503: try again after `Retry-After` seconds. `missing` names what was missing, for the metrics."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    headers = MappingProxyType({"retry-after": str(RETRY_AFTER_SECONDS)})

    def __init__(self, detail: str, *, missing: metrics.Missing) -> None:
        super().__init__(detail)
        self.missing = missing


def reason(error: ApiError) -> dict[str, str]:
    """Return the document with the reason of an error, and count the error if the request may be tried again."""
    if isinstance(error, Unavailable):
        metrics.refusals.labels(error.missing).inc()
    return {"detail": error.detail} | ({"field": error.field} if error.field else {})


async def answer(_: Request, error: Exception) -> JsonResponse:
    """Turn an `ApiError` into its response."""
    assert isinstance(error, ApiError)  # noqa: S101 - registered for this class only
    return JsonResponse(reason(error), error.status, error.headers)


async def refuse(request: Request, error: Exception) -> JsonResponse:
    """Turn FastAPI's validation error of a parameter into a 422 of the same form as all others."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class only
    first = error.errors()[0]
    field = str(first["loc"][-1])
    return await answer(request, Unprocessable(f"{field}: {first['msg']}", field=field))


async def fail(request: Request, _: BaseException) -> JsonResponse:
    """Answer an unexpected error: 503 during a stop, which may have caused it, else 500."""
    # The scope of a request that fails before it reaches the app has no app.
    if "app" in request.scope and services_of(request, GatewayServices).stopping.is_set():
        return await answer(request, Unavailable("The gateway is stopping, try again", missing="gateway"))
    return JsonResponse({"detail": "Internal error"}, HTTPStatus.INTERNAL_SERVER_ERROR)


def add_handlers(app: FastAPI, routes: Iterable[BaseRoute]) -> None:
    """Give the errors of an app with these routes the same form."""
    methods = [(route.path_regex, route.methods) for route in routes if isinstance(route, Route) and route.methods]

    async def refuse_method(request: Request, _: Exception) -> JsonResponse:
        """Answer 405 with all methods of the path: Starlette names only those of the first route that matches."""
        allowed = set[str]().union(*(of for regex, of in methods if regex.match(request.scope["path"])))
        headers = {"allow": ", ".join(sorted(allowed or _METHODS_OF_FILES))}
        return JsonResponse({"detail": "Method Not Allowed"}, HTTPStatus.METHOD_NOT_ALLOWED, headers)

    app.add_exception_handler(ApiError, answer)
    app.add_exception_handler(RequestValidationError, refuse)
    app.add_exception_handler(Exception, fail)
    app.add_exception_handler(HTTPStatus.METHOD_NOT_ALLOWED, refuse_method)
