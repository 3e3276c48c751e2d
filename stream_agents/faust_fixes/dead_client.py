"""Ending the worker when one of its Kafka clients is dead.

Without this, a worker whose client has lost a background task waits for ever, alive and apparently ready: aiokafka does
not report the end of a task, and Faust does not ask. Not reported upstream.
"""

from mode import Service

from shared.kafka.client_watch import watch


class ClientWatch(Service):
    """Ends the worker when one of its Kafka clients has lost a task, because it would wait for ever."""

    @Service.task
    async def _watch(self) -> None:
        await watch()
