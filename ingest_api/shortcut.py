"""A short way to the two calls that are made all the time."""

from collections.abc import Awaitable

from fastapi import FastAPI, Request
from starlette.types import Receive, Scope, Send

from ingest_api import errors
from ingest_api.auth import authenticated_user
from ingest_api.endpoints import read_insights, submit_ecg
from ingest_api.responses import JsonResponse

_ECGS, _INSIGHTS = "/ecgs", "/insights"


class Shortcut:
    """The app, with submissions and queries answered before FastAPI looks at them.

    FastAPI documents them, and its middleware, routing and dependencies would be a third of the work of answering them.
    The functions that answer are the same. See docs/decisions/0010-hot-path.md.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "http" and scope["path"].startswith(_ECGS):
            scope["app"] = self._app
            if (answer := _answer(Request(scope, receive))) is not None:
                response = await answer
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _answer(request: Request) -> Awaitable[JsonResponse] | None:
    """Return what answers a request, or None if it is not one of the two."""
    method, path = request.scope["method"], request.scope["path"]
    if method == "POST" and path == _ECGS:
        return _submit(request)
    if method == "GET" and path.endswith(_INSIGHTS):
        ecg_id = path[len(_ECGS) + 1 : -len(_INSIGHTS)]
        if ecg_id and "/" not in ecg_id and path[len(_ECGS)] == "/":
            return _read(request, ecg_id)
    return None


async def _submit(request: Request) -> JsonResponse:
    try:
        return await submit_ecg(request, await _user(request))
    except errors.ApiError as error:
        return await errors.answer(request, error)


async def _read(request: Request, ecg_id: str) -> JsonResponse:
    try:
        return await read_insights(request, ecg_id, await _user(request))
    except errors.ApiError as error:
        return await errors.answer(request, error)


async def _user(request: Request) -> str:
    return await authenticated_user(request, request.headers.get("x-user-token"))
