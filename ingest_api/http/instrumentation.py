"""Observation of every request: its id in log lines and answer, its duration, its trace, and an optional log line."""

import asyncio
from collections.abc import Iterable
from functools import cache
from time import perf_counter

import structlog
from fastapi import Request
from prometheus_client import Histogram
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingest_api import metrics
from ingest_api.http import errors
from shared.logging_setup import REQUEST_ID_HEADER, new_request_id, request_id, valid_request_id
from shared.tracing import Tracing

log = structlog.get_logger(__name__)

_REQUEST_ID_HEADER = REQUEST_ID_HEADER.encode()


class Calls:
    """Names the documented call that a request makes. No name contains input of a client."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        calls = [(method, route) for route in routes if isinstance(route, Route) for method in route.methods or ()]
        self._fixed = {(method, r.path): f"{method} {r.path}" for method, r in calls if not r.param_convertors}
        self._patterns = [(method, r.path_regex, f"{method} {r.path}") for method, r in calls if r.param_convertors]

    def name(self, scope: Scope) -> str:
        """Return the method and path template of the call, as in `GET /ecgs/{ecg_id}`, or `other`."""
        method, path = scope["method"], scope["path"]
        if name := self._fixed.get((method, path)):
            return name
        return next((name for verb, regex, name in self._patterns if verb == method and regex.match(path)), "other")


class Observed:
    """An app that gives every request an id, for its answer and its log lines, and measures it.

    A client's own id is kept if it is harmless in a log line. With `access_log`, every answer gets a log line.
    """

    def __init__(self, app: ASGIApp, calls: Calls, access_log: bool, tracing: Tracing | None = None) -> None:
        self._app = app
        self._calls = calls
        self._access_log = access_log
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = perf_counter(), 0
        given = next((value for name, value in scope["headers"] if name == _REQUEST_ID_HEADER), None)
        known = (given and valid_request_id(given.decode("latin-1"))) or new_request_id()
        header = (_REQUEST_ID_HEADER, known.encode())
        # Every request has its own task, and so its own context.
        request_id.set(known)
        span = self._tracing.serving(scope["headers"]) if self._tracing else None

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        except (Exception, asyncio.CancelledError) as error:
            # The server cancels only the requests that are still under way when its time to stop is over.
            if not isinstance(error, asyncio.CancelledError):
                log.exception("a request failed")
            if not status:
                await (await errors.fail(Request(scope), error))(scope, receive, send_noted)
        finally:
            elapsed = perf_counter() - begun
            call = self._calls.name(scope)
            _duration(call, status).observe(elapsed)
            if self._tracing and span:
                self._tracing.served(span, call, status)
            if self._access_log:
                log.info("answered", call=call, status=status, seconds=round(elapsed, 6))


@cache  # looking up the labels takes longer than observing
def _duration(call: str, status: int) -> Histogram:
    return metrics.requests.labels(call, status)
