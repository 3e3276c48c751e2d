"""Notes when the group last confirmed this worker as a member, and lets it leave the group when it stops.

Without this, a worker that has lost its membership serves its partitions as if nothing had happened. Faust polls its
client by private methods, which report no error of the group, and neither Faust nor aiokafka tells when the coordinator
last answered a heartbeat: aiokafka keeps that time in a local variable of its heartbeat task. Upstream knows of workers
that look healthy while their group is empty, as https://github.com/faust-streaming/faust/issues/523.

A worker also has to leave a group in generation 0, the first one on the embedded broker. aiokafka takes 0 for no
generation and sends no request, so that the next worker waits for the end of the session.
"""

import math
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.group_coordinator import GroupCoordinator
from faust.transport.drivers import aiokafka as driver
from typing_extensions import override

from shared.kafka.client_watch import watched


class Heartbeats:
    """The time at which the group's coordinator last confirmed that a started consumer is a member.

    A completed join counts as a heartbeat. The time of a heartbeat is that of the request: a worker that was frozen
    before it read the answer does not know how old the answer is.
    """

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._last: float | None = None
        coordinator: GroupCoordinator = consumer._coordinator
        coordinator._do_heartbeat = self._noting(coordinator._do_heartbeat, of_request=True)
        coordinator._do_rejoin_group = self._noting(coordinator._do_rejoin_group, of_request=False)

    @property
    def last(self) -> float | None:
        """The time of the last confirmation, on the monotonic clock (seconds), or None before the first."""
        return self._last

    def _noting(self, request: Callable[..., Awaitable[bool]], *, of_request: bool) -> Callable[..., Awaitable[bool]]:
        async def noted(*args: Any) -> bool:
            begun = time.monotonic()
            confirmed = await request(*args)
            if confirmed:
                # A join waits for the other members, so its request may be long ago.
                self._last = begun if of_request else time.monotonic()
            return confirmed

        return noted


class MembershipThread(driver.AIOKafkaConsumerThread):
    """Notes the heartbeats of its client, which leaves its group when it stops."""

    client: AIOKafkaConsumer
    heartbeats: Heartbeats | None = None

    @override
    async def on_start(self) -> None:
        """Start the client and watch it: Faust checks neither errors of its group nor its heartbeats."""
        await super().on_start()
        self.heartbeats = Heartbeats(watched(self.client))

    @override
    async def on_thread_stop(self) -> None:
        """Stop the client, which leaves its group in every generation above 0."""
        # Without heartbeats, the thread has not started, and has no client.
        if self.heartbeats is not None and self.client._coordinator.generation == 0:
            # The request to leave does not contain the generation.
            self.client._coordinator.generation = 1
        await super().on_thread_stop()


class MembershipConsumer(driver.Consumer):
    """Knows when the worker was last confirmed as a member."""

    thread: MembershipThread

    @property
    def seconds_since_heartbeat(self) -> float:
        """The seconds since the group's coordinator last confirmed that this worker is a member."""
        heartbeats = self.thread.heartbeats
        last = heartbeats.last if heartbeats else None
        return math.inf if last is None else time.monotonic() - last
