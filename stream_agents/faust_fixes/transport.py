"""Faust's Kafka transport with the corrected consumer and producer, and the worker's settings.

See docs/decisions/0006-no-commit-before-changelog.md for the guarantees that Faust itself does not give.
"""

from faust.auth import Credentials, SASLCredentials, SSLCredentials
from faust.transport.drivers import aiokafka as driver
from faust.types import AppT
from yarl import URL

from shared.kafka.clients import client_options, fetch_max_wait_ms, producer_options
from shared.settings import Settings
from stream_agents.faust_fixes.consumer import Consumer, ConsumerThread
from stream_agents.faust_fixes.producer import Producer


def credentials(settings: Settings) -> Credentials | None:
    """Return the TLS and login settings for Faust's own clients, or None if Kafka needs neither."""
    options = client_options(settings)
    context = options.get("ssl_context")
    if "sasl_mechanism" not in options:
        return SSLCredentials(context) if context is not None else None
    return SASLCredentials(
        username=options["sasl_plain_username"],
        password=options["sasl_plain_password"],
        ssl_context=context,
        mechanism=options["sasl_mechanism"],
    )


def new_transport(app: AppT, settings: Settings) -> driver.Transport:
    """Return the transport of a worker."""

    class ConfiguredThread(ConsumerThread):
        wait_ms = fetch_max_wait_ms(settings, 50)
        # A join is answered only after the sessions of lost members have timed out.
        request_timeout_ms = int(max(5.0, 1.5 * settings.session_timeout) * 1000)

    class ConfiguredConsumer(Consumer):
        Thread = ConfiguredThread

    class ConfiguredProducer(Producer):
        options = producer_options(settings)

    class Transport(driver.Transport):
        pass

    # Faust creates the clients itself, from these classes.
    Transport.Consumer = ConfiguredConsumer
    Transport.Producer = ConfiguredProducer
    servers = [URL(f"kafka://{server}") for server in settings.bootstrap_servers.split(",")]
    return Transport(servers, app)
