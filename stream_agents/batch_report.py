"""The report of a stored batch: metrics, log lines and spans."""

import time

import structlog

from shared.settings import Settings
from shared.tracing import Tracing
from stream_agents import metrics
from stream_agents.processing.batch_processor import Outcomes
from stream_agents.processing.outcomes import Erased, Misplaced, Rejected, Stored, UserErased, row_of
from stream_agents.processing.record import Record

log = structlog.get_logger(__name__)


class BatchReport:
    """Reports batches in the metrics, and in the log and in traces if these are enabled."""

    def __init__(self, settings: Settings, tracing: Tracing | None) -> None:
        self._access_log = settings.access_log
        self._tracing = tracing

    def stored(self, outcomes: Outcomes, begun: float, oldest: int) -> None:
        """Report a batch once it is stored.

        Args:
            outcomes: the records of the batch with their outcomes.
            begun: the start of the batch, on the clock of `time.perf_counter`.
            oldest: the earliest timestamp of the batch on the topic, in milliseconds.
        """
        _measure(outcomes, begun, oldest)
        if self._access_log:
            _tell(outcomes)
        if self._tracing:
            _trace(self._tracing, outcomes, begun)


def _measure(outcomes: Outcomes, begun: float, oldest: int) -> None:
    metrics.batch_seconds.observe(time.perf_counter() - begun)
    metrics.batch_ecgs.observe(len(outcomes))
    metrics.age_seconds.observe(max(0.0, time.time() - oldest / 1000))
    rest = [outcome for _, outcome in outcomes if not isinstance(outcome, Stored)]
    chunks = sum(isinstance(outcome, Stored) and outcome.is_recording for _, outcome in outcomes)
    metrics.stored.inc(len(outcomes) - len(rest) - chunks)
    metrics.chunks.inc(chunks)
    for record, outcome in outcomes:
        if isinstance(outcome, Stored) and record.recomputes:
            metrics.recomputed.inc()
        if isinstance(outcome, Stored) and outcome.failures:
            _tell_failures(record, outcome)
    for outcome in rest:
        match outcome:
            case Misplaced():
                metrics.forwarded.inc()
            case Rejected():
                metrics.dead.inc()
                metrics.dead_letters.labels(outcome.error_class).inc()
            case Erased() | UserErased():
                metrics.erasures.inc()


def _tell_failures(record: Record, outcome: Stored) -> None:
    """Count and log the insights that failed, by the class of the error: its text may hold samples."""
    for insight, error in outcome.failures.items():
        metrics.failed_insights.labels(insight).inc()
        log.warning("an insight failed", insight=insight, error=error, offset=record.offset, partition=record.partition)


def _tell(outcomes: Outcomes) -> None:
    """Log a line for each record."""
    for record, outcome in outcomes:
        row = row_of(outcome)
        log.info(
            "processed",
            outcome=type(outcome).__name__.lower(),
            ecg_id=row.key.decode() if row else None,
            partition=record.partition,
            offset=record.offset,
            **record.log_fields,
        )


def _trace(tracing: Tracing, outcomes: Outcomes, begun: float) -> None:
    """Create the span of each record, from the start of its batch until now, when it is stored."""
    since = time.time_ns() - int((time.perf_counter() - begun) * 1e9)
    for record, outcome in outcomes:
        error = outcome.error_class if isinstance(outcome, Rejected) else None
        tracing.processed(record.topic, record.partition, record.offset, record.headers, begun=since, error=error)
