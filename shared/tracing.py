"""OpenTelemetry traces from a client's request to the stored insights, off unless the environment asks for them.

The environment variables are OpenTelemetry's own. While traces are off, its SDK is not imported.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from shared import VERSION

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

Headers = Iterable[tuple[str | bytes, bytes | None]]


class Tracing:
    """Creates spans and passes their context on in HTTP and Kafka headers (W3C Trace Context)."""

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry import context, trace  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        self._tracer = provider.get_tracer("ecg", VERSION)
        self._propagator = TraceContextTextMapPropagator()
        self._kinds = trace.SpanKind
        self._failed = trace.Status(trace.StatusCode.ERROR)
        self._attach = context.attach
        self._with_span = trace.set_span_in_context

    def serving(self, headers: Headers) -> "Span":
        """Start the span of this task's request, as a child of the client's span if the headers name one."""
        context = self._propagator.extract(_carrier(headers))
        # `served` renames it, when the call is known.
        span = self._tracer.start_span("request", context, self._kinds.SERVER)
        self._attach(self._with_span(span, context))
        structlog.contextvars.bind_contextvars(trace_id=f"{span.get_span_context().trace_id:032x}")
        return span

    def served(self, span: "Span", call: str, status: int) -> None:
        """End the span of a request."""
        method, _, route = call.partition(" ")
        span.update_name(call)
        span.set_attribute("http.response.status_code", status)
        if route:
            span.set_attributes({"http.request.method": method, "http.route": route})
        if status >= 500:  # noqa: PLR2004 - a client's mistake is not a failure of the server
            span.set_status(self._failed)
        span.end()

    @contextmanager
    def publishing(self, topic: str) -> Iterator[list[tuple[str, bytes]]]:
        """Create a span for the block, which publishes a record with the headers that this yields."""
        span = self._tracer.start_span(f"send {topic}", kind=self._kinds.PRODUCER, attributes=_messaging("send", topic))
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, self._with_span(span))
        try:
            yield [(name, value.encode()) for name, value in carrier.items()]
        except BaseException as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(self._failed)
            raise
        finally:
            span.end()

    def processed(
        self, topic: str, partition: int, offset: int, headers: Headers, *, begun: int, error: str | None
    ) -> None:
        """Create the span of a record's processing from `begun` (ns since the epoch) until now, with its error."""
        attributes = _messaging("process", topic)
        attributes |= {"messaging.destination.partition.id": str(partition), "messaging.kafka.offset": offset}
        if error is not None:
            attributes["error.type"] = error
        context = self._propagator.extract(_carrier(headers))
        span = self._tracer.start_span(
            f"process {topic}", context, self._kinds.CONSUMER, attributes=attributes, start_time=begun
        )
        if error is not None:
            span.set_status(self._failed)
        span.end()


def from_environment(component: str) -> Tracing | None:
    """Return this process's tracing, or None if OpenTelemetry's variables do not ask for traces.

    Raises:
        RuntimeError: if they ask for traces without its packages, or for an exporter other than OTLP.
    """
    exporter = os.environ.get("OTEL_TRACES_EXPORTER") or ("otlp" if any(map(os.environ.get, _ENDPOINTS)) else "none")
    if exporter == "none" or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    if exporter != "otlp":
        raise RuntimeError(f"OTEL_TRACES_EXPORTER must be otlp or none, not {exporter!r}")
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise RuntimeError(f"Traces need the extra `otel` of this package ({error})") from None
    # Attributes given here override those of the environment: OTEL_SERVICE_NAME must win.
    named = {"service.name": f"ecg-{component}"} if not os.environ.get("OTEL_SERVICE_NAME") else {}
    provider = TracerProvider(resource=Resource.create({"service.version": VERSION, **named}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider)


def _carrier(headers: Headers) -> dict[str, str]:
    texts = (((name if isinstance(name, str) else name.decode("latin-1")), value) for name, value in headers)
    return {name: value.decode("latin-1") for name, value in texts if value and name in ("traceparent", "tracestate")}


def _messaging(operation: str, topic: str) -> dict[str, str | int]:
    return {
        "messaging.system": "kafka",
        "messaging.destination.name": topic,
        "messaging.operation.type": operation,
    }
