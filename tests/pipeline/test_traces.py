"""Traces across HTTP, Kafka and the agent, as received by an OTLP collector."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.support.conditions import eventually
from tests.support.ecgs import LEADS, insights_through_failover
from tests.support.paths import ROOT
from tests.support.pipeline import NewPipeline

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@dataclass
class Collector:
    """An OTLP collector, which receives spans as protobuf over HTTP."""

    spans: list[tuple[str, Span]] = field(default_factory=list)

    def __post_init__(self) -> None:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/v1/traces"
                body = self.rfile.read(int(self.headers["content-length"]))
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    attributes = {a.key: a.value.string_value for a in resource.resource.attributes}
                    for scope in resource.scope_spans:
                        collector.spans += [(attributes["service.name"], span) for span in scope.spans]
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    async def trace(self, trace_id: str, count: int) -> list[tuple[str, Span]]:
        """Wait until a trace has `count` spans, and return them in the order of their start."""

        async def probe() -> list[tuple[str, Span]] | None:
            found = [(service, span) for service, span in self.spans if span.trace_id.hex() == trace_id]
            return sorted(found, key=lambda item: item[1].start_time_unix_nano) if len(found) >= count else None

        return await eventually(probe, what=f"{count} spans of {trace_id}")


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.server.shutdown()
    collector.server.server_close()


def attributes(span: Span) -> dict[str, str | int]:
    return {a.key: a.value.string_value or a.value.int_value for a in span.attributes}


async def test_a_submission_is_one_trace_from_the_client_to_its_row(
    new_pipeline: NewPipeline, collector: Collector
) -> None:
    endpoint = f"http://127.0.0.1:{collector.server.server_port}"
    pipeline = new_pipeline(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_BSP_SCHEDULE_DELAY="100")
    pipeline.start_gateway()
    pipeline.start_worker()
    await pipeline.ready()
    async with pipeline.client(token=await pipeline.register("clinic")) as client:
        headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
        response = await client.post("/ecgs", json={"leads": LEADS}, headers=headers)
        assert response.status_code == 201
        spans = await collector.trace(TRACE, 3)
        topic = f"{pipeline.prefix}.submissions"
        assert [(service, span.name, span.kind) for service, span in spans] == [
            ("ecg-gateway", "POST /ecgs", Span.SPAN_KIND_SERVER),
            ("ecg-gateway", f"send {topic}", Span.SPAN_KIND_PRODUCER),
            ("ecg-worker", f"process {topic}", Span.SPAN_KIND_CONSUMER),
        ]
        server, producer, consumer = (span for _, span in spans)
        assert server.parent_span_id.hex() == PARENT
        assert producer.parent_span_id == server.span_id
        assert consumer.parent_span_id == producer.span_id
        assert attributes(server)["http.response.status_code"] == 201
        assert attributes(server)["http.route"] == "/ecgs"
        assert attributes(consumer)["messaging.destination.name"] == topic
        assert consumer.end_time_unix_nano >= consumer.start_time_unix_nano
        await insights_through_failover(client, response.json()["id"])

        # A producer's trace context is used too, and the span has the outcome of the record.
        other = TRACE[::-1]
        from aiokafka import AIOKafkaProducer  # noqa: PLC0415

        async with AIOKafkaProducer(**pipeline.kafka) as kafka:
            parent = [("traceparent", f"00-{other}-{PARENT}-01".encode())]
            await kafka.send_and_wait(topic, b"{", b"k", headers=parent)
        [(_, span)] = await collector.trace(other, 1)
        assert span.status.code == Status.STATUS_CODE_ERROR
        assert attributes(span)["error.type"] == "InvalidEcg"

        unsampled = {"traceparent": f"00-{TRACE[1:]}0-{PARENT}-00"}
        await client.post("/ecgs", json={"leads": LEADS}, headers=unsampled)
        own = await client.post("/ecgs", json={"leads": LEADS})
        await insights_through_failover(client, own.json()["id"])
    pipeline.stop()  # exports the remaining spans
    assert not [span for _, span in collector.spans if span.trace_id.hex() == f"{TRACE[1:]}0"]
    assert len([span for _, span in collector.spans if span.name == f"process {topic}"]) == 3


IMPORTED = """
import sys, ingest_api.__main__, stream_agents.__main__
from shared.tracing import from_environment
imported = [name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))]
print(from_environment("gateway"), imported)
"""


@pytest.mark.parametrize("env", [{}, {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}])
def test_without_configuration_nothing_of_the_sdk_is_imported(env: dict[str, str]) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", IMPORTED], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )
    assert answer.stdout == "None []\n"


def test_traces_without_their_packages_are_refused_with_the_extra_to_install() -> None:
    without = "import sys; sys.modules['opentelemetry.sdk.trace'] = None\n" + IMPORTED
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}
    answer = subprocess.run(
        [sys.executable, "-c", without], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert "Traces need the extra `otel`" in answer.stderr
