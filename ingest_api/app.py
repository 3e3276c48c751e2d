"""The FastAPI app: collaborators started and stopped around it, and its documentation."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI

from ingest_api import metrics, readiness, schemas
from ingest_api.audit.reader import Trail
from ingest_api.audit.writer import Audit
from ingest_api.endpoints import router
from ingest_api.events.sse import Streams
from ingest_api.http import errors
from ingest_api.http.static_files import add_page
from ingest_api.kafka.cluster_metrics import Cluster
from ingest_api.kafka.publisher import Publisher
from ingest_api.queries.erase import Erasing
from ingest_api.queries.list_cursor import Cursors
from ingest_api.queries.long_poll import Waiting
from ingest_api.queries.submission_reader import Records
from ingest_api.queries.worker_client import Workers
from ingest_api.submissions.quotas import Quotas
from ingest_api.submissions.submit import Submissions
from ingest_api.users.authentication import Failures
from ingest_api.users.data_keys import UserKeys
from ingest_api.users.registry import Users
from shared import VERSION
from shared.kafka.topics import Topics
from shared.metrics import exported
from shared.security.ids import IdIssuer
from shared.settings import Settings
from shared.tracing import Tracing

_DESCRIPTION = """
Submit electrocardiograms, and ask moments later what is in them.

1. The administrator registers a user (`POST /users`, header `x-admin-token`) and hands over the token.
2. The user submits an ECG (`POST /ecgs`, header `x-user-token`).
3. The user reads its insights (`GET /ecgs/{id}/insights`): 202 until they are computed, then 200.
4. `GET /ecgs` lists the user's ECGs, `GET /ecgs/{id}` reads one as it was submitted.

What is no HTTP is answered 400, what comes more slowly than `ECG_CLIENT_TIMEOUT` allows 408, and a request whose line
and headers are over 64 KiB 431, whatever the call; the connection ends then.

Every answer has an `x-request-id`, the request's own where it sent one: name it when you ask about a request.
"""


def create_app(settings: Settings, tracing: Tracing | None = None) -> FastAPI:
    """Return the gateway's app.

    Raises:
        ValueError: if there is no admin token.
    """
    if settings.admin_token is None:
        raise ValueError("ECG_ADMIN_TOKEN must be set")
    admin_token = settings.admin_token.get_secret_value()
    topics = Topics(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            publisher = Publisher(settings)
            await publisher.start()
            # It stops last, and sends what it still holds.
            stack.push_async_callback(publisher.stop)
            users = Users(settings, topics, publisher)
            keys = UserKeys(settings, topics, publisher)
            workers = Workers(settings, topics)
            records = Records(settings, topics)
            stack.push_async_callback(records.stop)
            for service in (users, keys, workers):
                stack.push_async_callback(service.stop)
                await service.start()
            issuer = IdIssuer(settings.secret.get_secret_value())
            app.state.settings, app.state.admin_token = settings, admin_token
            app.state.issuer = issuer
            app.state.users = users
            app.state.failures = Failures(settings.auth_failures_per_minute)
            app.state.workers = workers
            app.state.keys = keys
            app.state.erasing = Erasing(settings, topics, publisher=publisher, users=users, keys=keys, workers=workers)
            app.state.records = records
            app.state.cursors = Cursors(settings.secret.get_secret_value())
            audit = _audit(app, topics, publisher, stack)
            app.state.streams = Streams(settings, topics, users, workers, audit=audit)
            app.state.waiting = Waiting(workers, settings.max_waits)
            app.state.submissions = Submissions(
                settings,
                topics,
                publisher,
                issuer,
                Quotas(settings),
                users=users,
                keys=keys,
                audit=audit,
                tracing=tracing,
            )
            if settings.metrics_port is not None:
                cluster = Cluster(settings, topics)
                stack.push_async_callback(cluster.stop)
                await cluster.start()

                async def refresh() -> None:
                    metrics.ready.set(not await readiness.missing(app.state))
                    await cluster.refresh()

                await stack.enter_async_context(exported(settings, "gateway", refresh))
            yield

    app = FastAPI(
        title="ECG stream pipeline",
        version=VERSION,
        description=_DESCRIPTION,
        lifespan=lifespan,
        # FastAPI's own pages load scripts from a CDN, on the origin that opens ECGs: `add_page` has one without.
        docs_url=None,
        redoc_url=None,
        # Behind a proxy that ends TLS a redirect would lead to plain HTTP, and have the token sent there.
        redirect_slashes=False,
    )
    # Set by the server when it stops, before it waits for the requests under way.
    app.state.stopping = asyncio.Event()
    app.include_router(router)
    add_page(app)
    errors.add_handlers(app, [*router.routes, *app.routes])
    _correct_document(app)
    return app


def _audit(app: FastAPI, topics: Topics, publisher: Publisher, stack: AsyncExitStack) -> Audit:
    """Begin to write the audit, and return its writer; it and the audit's reader become the app's."""
    settings: Settings = app.state.settings
    audit = Audit(settings, topics, publisher)
    stack.push_async_callback(audit.stop)
    audit.start()
    app.state.audit = audit
    app.state.trail = Trail(settings, topics)
    stack.push_async_callback(app.state.trail.stop)
    return audit


def _correct_document(app: FastAPI) -> None:
    """Add to the OpenAPI document the schema that the submission's schema, read by hand, refers to.

    Any username and any id may be asked to be deleted: FastAPI's 422 for a parameter is never the answer.
    """
    generate = app.openapi

    def openapi() -> dict[str, object]:
        document = generate()
        document["components"]["schemas"]["LeadIn"] = schemas.LeadIn.model_json_schema()
        for path in ("/users/{username}", "/ecgs/{ecg_id}"):
            document["paths"][path]["delete"]["responses"].pop("422", None)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it
