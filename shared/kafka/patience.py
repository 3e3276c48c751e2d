"""Patience with brokers that do not serve yet, or not at the moment, while a process starts."""

import structlog
from aiokafka.errors import InvalidReplicationFactorError, KafkaError, KafkaTimeoutError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_delay, wait_fixed

log = structlog.get_logger(__name__)

SECONDS = 60.0
"""A cluster that starts serves after some seconds, and elects new leaders for a dead broker as fast."""

# A cluster that has just started refuses a topic with more copies than it has brokers yet.
_PASSING = (InvalidReplicationFactorError, KafkaTimeoutError)


def attempts() -> AsyncRetrying:
    """Yield attempts, one a second, until one succeeds.

    Raises:
        KafkaError: an error that will not pass, at once; any other, if it still comes after `SECONDS`.
    """
    return AsyncRetrying(
        retry=retry_if_exception(_may_pass),
        stop=stop_after_delay(SECONDS),
        wait=wait_fixed(1),
        before_sleep=_report,
        reraise=True,
    )


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, _PASSING) or (isinstance(error, KafkaError) and error.retriable)


def _report(state: RetryCallState) -> None:
    if state.attempt_number == 1 and state.outcome is not None:
        log.warning("waiting for the brokers", seconds=SECONDS, error=str(state.outcome.exception()))
