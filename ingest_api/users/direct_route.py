"""Direct routes: the most frequent calls of users bypass FastAPI's layers."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from ingest_api.http import errors
from ingest_api.http.services import services_of
from ingest_api.users.services import UserServices


class DirectRoute(APIRoute):
    """A route whose handler is called directly, with the request, the user and the path's parameters.

    FastAPI documents it like any other route. Its middleware, routing and dependencies had been a third of the
    gateway's work for small ECGs: see docs/decisions/0010-hot-path.md.
    """

    def get_route_handler(self) -> Callable[[Request], Any]:
        """Return `answer`, in place of FastAPI's handling of parameters and responses."""
        return self.answer

    async def answer(self, request: Request) -> Response:
        """Authenticate the user and call the handler."""
        try:
            authenticator = services_of(request, UserServices).authenticator
            user = await authenticator.user(request)
            response: Response = await self.endpoint(request, user=user, **request.path_params)
        except errors.ApiError as error:
            return await errors.answer(request, error)
        return response


class DirectRoutes:
    """An app whose direct routes come before all of its layers."""

    def __init__(self, app: FastAPI, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        self._routes: Sequence[DirectRoute] = [route for route in routes if isinstance(route, DirectRoute)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        route = self._route(scope) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["app"] = self._app
        response = await route.answer(Request(scope, receive))
        await response(scope, receive, send)

    def _route(self, scope: Scope) -> DirectRoute | None:
        for route in self._routes:
            if scope["method"] in (route.methods or ()) and (match := route.path_regex.match(scope["path"])):
                scope["path_params"] = match.groupdict()
                return route
        return None
