"""A producer that is idempotent, and that is replaced when it cannot send any more.

Without this, a record that Faust's producer sends again may be stored twice, and an idempotent producer sends nothing
more once it has given up a batch in an outage, because the brokers refuse all later records of that partition. Faust
has no setting for the first; upstream knows of the second, as https://github.com/aio-libs/aiokafka/issues/1017.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from faust.exceptions import ProducerSendError
from faust.transport.drivers import aiokafka as driver
from faust.types import AppT
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type
from typing_extensions import override

from shared.kafka.client_watch import watched
from shared.kafka.producer_errors import PRODUCER_BROKEN

log = structlog.get_logger(__name__)


class Producer(driver.Producer):
    """A producer with the options of the pipeline's other producers."""

    options: Mapping[str, Any]

    @override
    async def on_start(self) -> None:
        """Start the client and watch it."""
        await super().on_start()
        watched(self.client)

    @override
    def _settings_extra(self) -> Mapping[str, Any]:
        return {**super()._settings_extra(), **self.options}

    @property
    def client(self) -> AIOKafkaProducer:
        """The underlying client, which can send batches."""
        return self._ensure_producer()

    async def mend(self, error: BaseException | None) -> None:
        """Replace the client if a send has failed with an error after which the client cannot send any more."""
        if not any(isinstance(one, PRODUCER_BROKEN) for one in (error, getattr(error, "__cause__", None))):
            return
        broken, fresh = self.client, self._new_producer()
        try:
            await fresh.start()
        except KafkaError as failed:
            # The next attempt fails in the same way, and tries to replace the client again.
            log.warning("the producer cannot be replaced", error=repr(failed))
            await fresh.stop()
            return
        log.warning("replacing the producer", error=repr(error))
        self._producer = watched(fresh)
        self.add_future(broken.stop())


def sending(app: AppT, tell: Callable[[RetryCallState], None] = lambda _: None, **options: Any) -> AsyncRetrying:
    """Return attempts to send something until it is acknowledged, each with a client that can send.

    Args:
        app: the app whose producer sends.
        tell: is called with the state of a failed attempt.
        options: tenacity's options for waiting and for giving up.
    """

    async def prepare(state: RetryCallState) -> None:
        tell(state)
        await cast("Producer", app.producer).mend(state.outcome.exception() if state.outcome else None)

    may_pass = retry_if_exception_type((KafkaError, ProducerSendError))
    return AsyncRetrying(retry=may_pass, before_sleep=prepare, **options)
