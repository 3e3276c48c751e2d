"""The collaborators of a call, by their types: FastAPI keeps them in `app.state`, of which no type is known."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from fastapi import Request


@dataclass(frozen=True, kw_only=True)
class GatewayServices:
    """What every call needs. Each feature adds its own collaborators in a subclass.

    Args:
        stopping: set when the gateway stops, before the server waits for the requests under way.
    """

    stopping: asyncio.Event


S = TypeVar("S", bound=GatewayServices)


def services_of(request: Request, kind: type[S]) -> S:
    """Return the collaborators of the app that answers a request, as those of a feature."""
    found = request.app.state.services
    assert isinstance(found, kind)  # noqa: S101 - the app's are of all kinds
    return found


def provided(kind: type[S]) -> Callable[[Request], Awaitable[S]]:
    """Return a FastAPI dependency on the collaborators of a feature."""

    async def provide(request: Request) -> S:
        return services_of(request, kind)

    return provide
