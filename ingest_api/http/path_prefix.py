"""The path prefix under which a reverse proxy serves the gateway, such as `/cardio`."""

from collections.abc import Iterable

from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOCATION = b"location"


def check(prefix: str, routes: Iterable[BaseRoute]) -> None:
    """Check that no path of a gateway begins like the prefix: it would be ambiguous whether a proxy has removed it.

    Raises:
        ValueError: if one does.
    """
    own = {_first(route.path) for route in routes if isinstance(route, Route | Mount)}
    if prefix and _first(prefix) in own:
        raise ValueError(f"ECG_HTTP_PATH_PREFIX must not begin with /{_first(prefix)}, a path of the gateway itself")


class PathPrefix:
    """An app under a prefix, which a proxy may remove from the requests' paths or not.

    The app sees paths without the prefix, and its `Location` headers get it.
    """

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        if path == self._prefix or path.startswith(f"{self._prefix}/"):
            scope = {**scope, "path": path.removeprefix(self._prefix) or "/"}

        async def send_prefixed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [self._prefixed(*header) for header in message.get("headers", ())]
            await send(message)

        await self._app(scope, receive, send_prefixed)

    def _prefixed(self, name: bytes, value: bytes) -> tuple[bytes, bytes]:
        return (name, self._prefix.encode() + value if name == _LOCATION and value.startswith(b"/") else value)


def _first(path: str) -> str:
    return path.split("/")[1]
