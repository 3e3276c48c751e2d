"""All collaborators of the gateway, started and stopped together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from ingest_api import health, metrics
from ingest_api.audit.reader import AuditReader
from ingest_api.audit.services import AuditServices
from ingest_api.audit.writer import AuditWriter
from ingest_api.erasures.erase import Eraser
from ingest_api.erasures.services import ErasureServices
from ingest_api.events.services import EventServices
from ingest_api.events.sse import Streams
from ingest_api.kafka.cluster_metrics import ClusterMetrics
from ingest_api.kafka.publisher import Publisher
from ingest_api.queries.ecg_list import EcgList
from ingest_api.queries.labels import Labels
from ingest_api.queries.list_cursor import ListCursors
from ingest_api.queries.long_poll import LongPolls
from ingest_api.queries.lookup import Lookup
from ingest_api.queries.sealed_messages import SealedMessages
from ingest_api.queries.stored_ecgs import StoredEcgs
from ingest_api.queries.submission_reader import SubmissionReader
from ingest_api.queries.worker_client import WorkerClient
from ingest_api.recordings.services import RecordingServices
from ingest_api.recordings.signals import Signals
from ingest_api.recordings.submit import Recordings
from ingest_api.submissions.intake import Intake
from ingest_api.submissions.quotas import Quotas
from ingest_api.submissions.services import SubmissionServices
from ingest_api.submissions.submit import Submissions
from ingest_api.users.administration import Administration
from ingest_api.users.authentication import Authenticator
from ingest_api.users.registry import UserRegistry
from ingest_api.users.user_keys import UserKeys
from shared.kafka.topics import Topics
from shared.metrics import exported
from shared.security.ids import IdIssuer
from shared.settings import Settings
from shared.tracing import Tracing


@dataclass(frozen=True, kw_only=True)
class Services(SubmissionServices, RecordingServices, EventServices, ErasureServices, AuditServices):
    """The collaborators of all features. An endpoint asks for its own feature's part by type."""


@asynccontextmanager
async def running(settings: Settings, stopping: asyncio.Event, tracing: Tracing | None) -> AsyncIterator[Services]:
    """Start the collaborators, yield them, and stop them afterwards.

    Raises:
        KafkaError: if the brokers cannot be reached.
        ValueError: if there is no admin token.
    """
    topics = Topics(settings)
    async with AsyncExitStack() as stack:
        publisher = Publisher(settings)
        await publisher.start()
        # It stops last, because the others may still publish, and sends the records that it still holds.
        stack.push_async_callback(publisher.stop)
        users = UserRegistry(settings, topics, publisher)
        keys = UserKeys(settings, topics, publisher)
        workers = WorkerClient(settings, topics)
        records = SubmissionReader(settings, topics)
        stack.push_async_callback(records.stop)
        for service in (users, keys, workers):
            stack.push_async_callback(service.stop)
            await service.start()
        audit = AuditWriter(settings, topics, publisher)
        stack.push_async_callback(audit.stop)
        audit.start()
        audit_reader = AuditReader(settings, topics)
        stack.push_async_callback(audit_reader.stop)
        secret = settings.secret.get_secret_value()
        issuer = IdIssuer(secret)
        intake = Intake(settings, publisher, Quotas(settings), users=users, keys=keys, audit=audit, tracing=tracing)
        labels = Labels(settings, keys)
        messages = SealedMessages(settings, keys)
        long_polls = LongPolls(workers, settings.max_waits)
        lookup = Lookup(issuer, workers, long_polls, audit)
        services = Services(
            stopping=stopping,
            users=users,
            authenticator=Authenticator(settings, users),
            administration=Administration(settings, users, audit),
            submissions=Submissions(topics, intake, issuer),
            audit=audit,
            workers=workers,
            long_polls=long_polls,
            lookup=lookup,
            labels=labels,
            ecg_list=EcgList(workers, ListCursors(secret), labels),
            stored_ecgs=StoredEcgs(records, messages),
            recordings=Recordings(topics, intake, issuer, lookup),
            recording_list=EcgList(workers, ListCursors(secret, recordings=True), labels, recordings=True),
            signals=Signals(settings, workers, records, messages),
            streams=Streams(settings, topics, users, workers, audit=audit, labels=labels),
            eraser=Eraser(
                settings,
                topics,
                publisher=publisher,
                users=users,
                keys=keys,
                workers=workers,
                lookup=lookup,
                issuer=issuer,
                audit=audit,
            ),
            audit_reader=audit_reader,
        )
        if settings.metrics_port is not None:
            cluster = ClusterMetrics(settings, topics)
            stack.push_async_callback(cluster.stop)
            await cluster.start()

            async def refresh() -> None:
                metrics.ready.set(not await health.missing_parts(users, workers))
                await cluster.refresh()

            await stack.enter_async_context(exported(settings, "gateway", refresh))
        yield services
