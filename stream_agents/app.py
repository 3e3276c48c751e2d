"""The Faust app: topics, table, agent and views wired together."""

from typing import cast

import faust
from faust.types import StreamT
from mode.supervisors import CrashingSupervisor
from yarl import URL

from shared.data_keys import DataKeys
from shared.kafka.clients import METADATA_MAX_AGE_MS, worker_group
from shared.kafka.topics import Topics
from shared.security.tls import server_context
from shared.settings import MIB, Settings
from shared.tracing import from_environment
from shared.worker_protocol.auth import InternalAuth
from stream_agents.agent import SubmissionsAgent
from stream_agents.batch_report import BatchReport
from stream_agents.data_keys_service import DataKeysService
from stream_agents.faust_fixes.dead_client import ClientWatch
from stream_agents.faust_fixes.poll import Poll
from stream_agents.faust_fixes.recovery import Recovery, TableManager
from stream_agents.faust_fixes.shares import share_evenly
from stream_agents.faust_fixes.transport import credentials, new_transport
from stream_agents.faust_fixes.web_server import App
from stream_agents.inbox import Inbox
from stream_agents.insights import selected
from stream_agents.metrics_exporter import Exporter, Sensor
from stream_agents.originals import Originals
from stream_agents.outcome_writer import OutcomeWriter
from stream_agents.processing.batch_processor import BatchProcessor
from stream_agents.serving.assignment import Serving
from stream_agents.serving.end_offsets import Ends
from stream_agents.serving.http import add_views, gateways_only
from stream_agents.serving.waiters import Waits
from stream_agents.table.compaction import Compaction
from stream_agents.table.insights_table import InsightsTable
from stream_agents.table.late_rows import LateRows

_WAITING_POLLS = 4


def create_app(settings: Settings) -> faust.App:
    """Return a worker's app, not started."""
    topics = Topics(settings)
    app = App(
        worker_group(settings),
        broker=[URL(f"kafka://{server}") for server in settings.bootstrap_servers.split(",")],
        broker_credentials=credentials(settings),
        TableManager=TableManager,
        datadir=str(settings.data_dir),
        table_standby_replicas=1,
        # Rows are idempotent by ECG id; Faust's exactly_once loses them on rebalances.
        processing_guarantee="at_least_once",
        key_serializer="raw",
        value_serializer="raw",
        topic_allow_declare=False,
        topic_disable_leader=True,
        broker_session_timeout=settings.session_timeout,
        broker_heartbeat_interval=settings.session_timeout / 3,
        broker_commit_interval=1.0,
        broker_max_poll_records=settings.batch_size,
        consumer_auto_offset_reset="earliest",
        consumer_metadata_max_age_ms=METADATA_MAX_AGE_MS,
        producer_metadata_max_age_ms=METADATA_MAX_AGE_MS,
        consumer_max_fetch_size=MIB,
        # Polls that wait behind the current and the next batch: more would only hold more ECGs in memory.
        stream_buffer_maxsize=_WAITING_POLLS,
        web_bind=settings.worker_host,
        web_port=settings.worker_port,
        web_host=settings.worker_name,
        web_application_options={"middlewares": [gateways_only(InternalAuth(settings.secret.get_secret_value()))]},
        web_ssl_context=server_context(settings.internal_files) if settings.internal_files else None,
        # Faust's own pages would show all rows of all tables, and gateways do not use them.
        web_tables_enabled=False,
        web_router_enabled=False,
        web_stats_enabled=False,
        web_graph_enabled=False,
        web_metrics_enabled=False,
    )
    app.transport = app.producer_transport = new_transport(app, settings)
    share_evenly()
    waits = Waits(settings.max_waits)
    table = InsightsTable(
        app,
        settings,
        waits.stored,
        name="insights",
        partitions=topics.insights.partitions,
        key_type=bytes,
        value_type=bytes,
        changelog_topic=app.topic(
            topics.insights.name,
            partitions=topics.insights.partitions,
            compacting=True,
            acks=False,
            internal=True,
            allow_empty=True,
            key_type=bytes,
            value_type=bytes,
        ),
    )
    tables = cast("TableManager", app.tables)
    tables.add(table)
    ends = Ends(settings)
    tables.own_recovery = Recovery(app, topics.insights.name, table.reader, ends.of, beacon=tables.beacon)
    keys = DataKeys(settings, topics)
    processor = BatchProcessor(settings, topics, keys, table.rows.get_row, selected(settings.insights))
    originals = Originals(settings, topics, processor, table.rows)
    agent = SubmissionsAgent(
        app,
        Inbox(settings.batch_size),
        keys,
        processor=processor,
        originals=originals,
        writer=OutcomeWriter(app, topics, table),
        report=BatchReport(settings, from_environment("worker")),
    )
    app.add_dependency(Compaction(settings, table.rows))
    app.add_dependency(LateRows(table, ends.of))
    app.add_dependency(DataKeysService(keys))
    app.add_dependency(originals)
    app.add_dependency(ClientWatch())
    serving = Serving(app, settings, topics, table=table, waits=waits, ends=ends)
    app.sensors.add(Sensor())
    if settings.metrics_port is not None:
        app.add_dependency(Exporter(app, settings, topics, table, serving))
    add_views(app, table, waits, serving)

    @app.agent(
        app.topic(topics.submissions.name, topics.chunks.name),
        name="submissions",
        # An agent that went on after an error would skip the events that it was handling. The worker ends instead, and
        # its successor starts from the committed offsets.
        supervisor_strategy=CrashingSupervisor,
    )
    async def submissions(stream: StreamT[Poll]) -> None:
        await agent.run(stream)

    return app
