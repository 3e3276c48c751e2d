"""Typed access to the collaborators of a call: FastAPI keeps them in `app.state`, which has no types."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from fastapi import Request


@dataclass(frozen=True, kw_only=True)
class GatewayServices:
    """The collaborators of every call. Each feature adds its own in a subclass.

    Args:
        stopping: set when the gateway begins to stop, before the server waits for the requests under way.
    """

    stopping: asyncio.Event


S = TypeVar("S", bound=GatewayServices)


def services_of(request: Request, kind: type[S]) -> S:
    """Return the collaborators of the app that answers a request, typed as those of a feature."""
    found = request.app.state.services
    assert isinstance(found, kind)  # noqa: S101 - the app's `Services` inherits from every kind
    return found


def provided(kind: type[S]) -> Callable[[Request], Awaitable[S]]:
    """Return a FastAPI dependency that provides the collaborators of a feature."""

    async def provide(request: Request) -> S:
        return services_of(request, kind)

    return provide
