"""A short way to the two calls that are made all the time."""

import re
from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request
from starlette.types import Receive, Scope, Send

from ingest_api.endpoints import read_insights, submit_ecg
from ingest_api.http import errors
from ingest_api.http.responses import JsonResponse
from ingest_api.users.authentication import authenticated_user

# As FastAPI matches it: an id may be anything but a slash.
_INSIGHTS = re.compile(r"/ecgs/(?P<ecg_id>[^/]+)/insights")


class Shortcut:
    """The app, with submissions and queries answered before FastAPI looks at them.

    FastAPI documents them, and its middleware, routing and dependencies would be a third of the work of answering them.
    The functions that answer are the same. See docs/decisions/0010-hot-path.md.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        handler = _handler(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if handler is None:
            await self._app(scope, receive, send)
            return
        scope["app"] = self._app
        request = Request(scope, receive)
        try:
            user = await authenticated_user(request, request.headers.get("x-user-token"))
            response = await handler(request, user)
        except errors.ApiError as error:
            response = await errors.answer(request, error)
        await response(scope, receive, send)


def _handler(method: str, path: str) -> Callable[[Request, str], Awaitable[JsonResponse]] | None:
    """Return what answers a user's request, or None if it is not one of the two."""
    if method == "POST" and path == "/ecgs":
        return submit_ecg
    if method == "GET" and (match := _INSIGHTS.fullmatch(path)):
        return lambda request, user: read_insights(request, match["ecg_id"], user)
    return None
