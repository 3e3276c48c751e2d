"""The FastAPI app: the endpoints of all features, and their documentation."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from ingest_api import health, services
from ingest_api.audit import endpoints as audit
from ingest_api.erasures import endpoints as erasures
from ingest_api.events import endpoints as events
from ingest_api.http import cors, errors, openapi, path_prefix
from ingest_api.http.instrumentation import Calls, Observed
from ingest_api.http.openapi import PackedLead
from ingest_api.http.static_files import add_page
from ingest_api.queries import endpoints as queries
from ingest_api.recordings import endpoints as recordings
from ingest_api.recordings.schemas import AnnouncedLead
from ingest_api.submissions import endpoints as submissions
from ingest_api.submissions.schemas import BatchedEcgIn, LeadIn
from ingest_api.users import endpoints as users
from ingest_api.users.direct_route import DirectRoutes
from ingest_api.users.schemas import ADMIN_ERRORS
from ingest_api.users.services import Admin
from shared import VERSION
from shared.settings import Settings
from shared.tracing import Tracing

_DESCRIPTION = """
Submit electrocardiograms, and read their insights moments later.

1. The administrator registers a user (`POST /users`, header `x-admin-token`) and hands over the token.
2. The user submits an ECG (`POST /ecgs`, header `x-user-token`).
3. The user reads its insights (`GET /ecgs/{id}/insights`): 202 until they are computed, then 200.
4. `GET /ecgs` lists the user's ECGs, `GET /ecgs/{id}` reads one as it was submitted.

A long ECG, or one that is still being recorded, comes in chunks as a recording: `POST /recordings` begins one,
`POST /recordings/{id}/chunks` adds samples, and its insights are there while it goes on.

Either token may be sent as `Authorization: Bearer` instead. An unknown field of a body gets 422, and so does an unknown
parameter of a call that has parameters.

Every call may also be answered with 400 for malformed HTTP, 408 for a request that arrives more slowly than
`ECG_CLIENT_TIMEOUT` allows, or 431 for a request line and headers over 64 KiB. The gateway closes the connection then.

Every other answer has an `x-request-id`: the request's own, if it sent a valid one, or a new one. Quote it when you
report a problem.
"""


# In the order of the documentation.
_ROUTERS = (
    health.router,
    users.router,
    erasures.of_users,
    audit.router,
    submissions.router,
    queries.direct,
    queries.router,
    erasures.of_ecgs,
    recordings.direct,
    recordings.router,
    erasures.of_recordings,
    events.router,
)


def create_app(settings: Settings, stopping: asyncio.Event | None = None, tracing: Tracing | None = None) -> FastAPI:
    """Return the gateway's app.

    Args:
        settings: the gateway's settings.
        stopping: set when the server begins to stop, before it waits for the requests under way.
        tracing: traces the publishing of submissions, or None without traces.

    Raises:
        ValueError: if there is no admin token, or the path prefix is one of the gateway's own paths.
    """
    if settings.admin_token is None:
        raise ValueError("ECG_ADMIN_TOKEN must be set")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with services.running(settings, stopping or asyncio.Event(), tracing) as running:
            app.state.services = running
            yield

    app = FastAPI(
        title="ECG stream pipeline",
        version=VERSION,
        description=_DESCRIPTION,
        lifespan=lifespan,
        # FastAPI's own pages run scripts from a CDN on the origin that can read ECGs: `add_page` serves a page without.
        docs_url=None,
        redoc_url=None,
        # Behind a proxy that terminates TLS, a redirect would point to plain HTTP, and the client would send its token
        # there.
        redirect_slashes=False,
        servers=[{"url": settings.http_path_prefix}] if settings.http_path_prefix else None,
        # Clients are generated from these names, so they are those of the handlers, without path and method.
        generate_unique_id_function=lambda route: route.name,
    )
    for router in _ROUTERS:
        # The package `audit` does not import `users`, so the access to it is restricted here.
        if router is audit.router:
            app.include_router(router, dependencies=[Admin], responses=ADMIN_ERRORS)
        else:
            app.include_router(router)
    add_page(app, settings.http_path_prefix)
    path_prefix.check(settings.http_path_prefix, routes(app))
    errors.add_handlers(app, routes(app))
    # These paths accept any text as username or id, so their DELETE never answers 422.
    openapi.correct(
        app,
        (AnnouncedLead, BatchedEcgIn, LeadIn, PackedLead),
        any_text=("/users/{username}", "/ecgs/{ecg_id}", "/recordings/{recording_id}"),
    )
    return app


def with_layers(app: FastAPI, settings: Settings, tracing: Tracing | None = None) -> ASGIApp:
    """Return the gateway's app behind the layers that come before FastAPI."""
    calls = routes(app)
    layered: ASGIApp = Observed(DirectRoutes(app, calls), Calls(calls), settings.access_log, tracing)
    if settings.allowed_origins:
        # Outside of `Observed`, so that pages can read its errors too.
        layered = cors.allowing(layered, settings.allowed_origins)
    if settings.http_path_prefix:
        layered = path_prefix.PathPrefix(layered, settings.http_path_prefix)
    return layered


def routes(app: FastAPI) -> Sequence[BaseRoute]:
    """Return all routes of the gateway's app."""
    return [route for router in _ROUTERS for route in router.routes] + app.routes
