"""Prometheus metrics, which each process serves on a port of its own."""

import asyncio
import platform
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog
from aiohttp import web
from aiokafka.errors import KafkaError
from prometheus_client import REGISTRY, Counter, Info, disable_created_metrics
from prometheus_client.exposition import choose_encoder

from shared import VERSION
from shared.settings import Settings

log = structlog.get_logger(__name__)

# Buckets for latencies: fast operations take milliseconds, those that are given up take ten seconds.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# Less than Prometheus' timeout for a scrape: if the broker does not answer, the other metrics are still served.
_REFRESH_TIMEOUT = 4.0

# The creation times of counters are not used.
disable_created_metrics()  # type: ignore[no-untyped-call]

_build = Info("ecg_build", "Versions of the pipeline and of Python.")
_unanswered = Counter(
    "ecg_metrics_refresh_failures_total",
    "Scrapes without the metrics that come from the broker, such as the lag, because it did not answer.",
)

Refresh = Callable[[], Awaitable[None]]


@asynccontextmanager
async def exported(settings: Settings, component: str, refresh: Refresh) -> AsyncIterator[None]:
    """Serve this process's metrics at `/metrics` while the block runs, if the settings name a port.

    Args:
        settings: hold the host and the port.
        component: the process's name in `ecg_build_info`.
        refresh: sets the metrics that are only read at a scrape; may raise KafkaError or TimeoutError.

    Raises:
        OSError: if the port is taken.
    """
    if settings.metrics_port is None:
        yield
        return
    _build.info({"version": VERSION, "component": component, "python": platform.python_version()})
    refreshing = asyncio.Lock()

    async def metrics(request: web.Request) -> web.Response:
        async with refreshing:
            try:
                async with asyncio.timeout(_REFRESH_TIMEOUT):
                    await refresh()
            except (KafkaError, TimeoutError) as error:
                _unanswered.inc()
                log.warning("metrics served without those from the broker", error=type(error).__name__)
            encode, content_type = choose_encoder(request.headers.get("accept", ""))
            return web.Response(body=encode(REGISTRY), headers={"content-type": content_type})

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.metrics_host, settings.metrics_port).start()
        log.info("metrics", host=settings.metrics_host, port=settings.metrics_port)
        yield
    finally:
        await runner.cleanup()
