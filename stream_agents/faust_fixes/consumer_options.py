"""Options of the consumer's client for which Faust has no settings.

Without this, a fetch waits up to 1.5 s at the broker, records of aborted transactions are processed although they were
never submitted, and a request to a frozen broker is given up only after Faust's `broker_request_timeout`. That setting
has to stay long, because it also limits the time of a seek, which counts as done after it. Not reported upstream.
"""

from aiokafka import AIOKafkaConsumer
from faust.transport.drivers import aiokafka as driver
from typing_extensions import override

from stream_agents.faust_fixes.response_buffer import BufferedClient


class OptionsThread(driver.AIOKafkaConsumerThread):
    """Creates a client with these options."""

    client: AIOKafkaConsumer
    wait_ms: int
    request_timeout_ms: int

    @override
    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = self.wait_ms
        consumer._isolation_level = "read_committed"
        # A request to a frozen broker must be given up sooner, to be sent to the new leader.
        consumer._client._request_timeout_ms = self.request_timeout_ms
        # aiokafka creates the client itself.
        consumer._client.__class__ = BufferedClient
        self.client = consumer
        return consumer
