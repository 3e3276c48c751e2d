"""Run a gateway: `python -m ingest_api`."""

import asyncio
import contextlib
import gc
import resource
import signal
import socket
import sys
from functools import partial
from typing import NoReturn

import uvicorn

from ingest_api.app import create_app, with_layers
from ingest_api.http.protocol import Connection
from ingest_api.http.server import CLIENT_DIED, REQUEST_SECONDS, Server
from ingest_api.http.slow_clients import Clients
from shared import logging_setup
from shared.deadline import ignore_signals, stop_at_once
from shared.kafka import topics
from shared.malloc import keep_freed
from shared.settings import MIB, Settings, settings_or_exit
from shared.tracing import from_environment

_BACKLOG = 2048
_START_FAILED = 3
# New objects before the first of three generations of garbage is looked through; Python's default is 700.
_GARBAGE_THRESHOLD = 20_000
# Answers that clients do not read may be larger: with answers of 11 MB, the heap was 600 MiB when 230 MiB were in use.
_LARGEST_KEPT = 4 * MIB


def main() -> None:
    """Run a gateway until SIGINT or SIGTERM, and answer the requests under way before it exits."""
    settings = settings_or_exit()
    logging_setup.configure(settings.log_level, settings.log_format)
    keep_freed(_LARGEST_KEPT)
    _allow_connections()
    stop_at_once()
    tracing = from_environment("gateway")
    stopping = asyncio.Event()
    try:
        app = create_app(settings, stopping, tracing)
    except ValueError as error:
        sys.exit(str(error))
    config = uvicorn.Config(
        with_layers(app, settings, tracing),
        host=settings.http_host,
        port=settings.http_port,
        loop="none",  # asyncio's own event loop: see docs/decisions/0023-event-loop.md
        http=partial(Connection, Clients(settings)),  # type: ignore[arg-type]  # uvicorn only calls it
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        # Longer than clients keep idle connections (httpx: 5 s, aiohttp: 15 s): they would send requests into one that
        # is just being closed. `Clients` closes it after `client_timeout`.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=REQUEST_SECONDS,
    )
    server = Server(config, stopping)
    topics.prepare_or_exit(settings)
    _collect_rarely()
    # uvicorn raises the signal again after its graceful stop.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stopped)
    server.run([_shared_socket(settings)] if settings.http_shared else None)
    if not server.started:
        sys.exit(_START_FAILED)
    if server.failed:
        sys.exit(CLIENT_DIED)


def _stopped(*_: object) -> NoReturn:
    """Exit with 0, because the stop was requested."""
    ignore_signals()
    sys.exit(0)


def _collect_rarely() -> None:
    """Look for garbage in reference cycles less often, and never among the objects of modules.

    A thousand ECGs under way are some 30,000 objects, which live until they are acknowledged. With the default, Python
    looked through them again and again without finding any, for up to a fifth of a gateway's CPU time. Requests leave
    few cycles, and none with a body or an answer.
    """
    gc.freeze()
    gc.set_threshold(_GARBAGE_THRESHOLD)


def _allow_connections() -> None:
    """Raise the limit of open files to its maximum: each connection takes one, and many systems start with 1024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Some systems refuse the very maximum that they report.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _shared_socket(settings: Settings) -> socket.socket:
    """Return this process's own socket on the gateways' common port: the kernel spreads connections over them."""
    return socket.create_server(
        (settings.http_host, settings.http_port),
        family=socket.AF_INET6 if ":" in settings.http_host else socket.AF_INET,
        backlog=_BACKLOG,
        reuse_port=True,
    )


if __name__ == "__main__":
    main()
