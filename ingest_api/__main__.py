"""Run a gateway: `python -m ingest_api`."""

import signal
import sys

import uvicorn

from ingest_api.app import create_app
from shared import log
from shared.settings import Settings

# Longer than a publish may take to fail would delay a stop; a submission that is not acknowledged by
# then is refused as the connection closes, and its client tries again.
GRACEFUL_SHUTDOWN_SECONDS = 7


def main() -> None:
    """Run a gateway until SIGINT or SIGTERM; requests under way are answered first."""
    settings = Settings()
    log.configure(settings.log_level)
    # uvicorn raises the signal again after its graceful stop; a wanted stop is a success.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(
        create_app(settings),
        host=settings.http_host,
        port=settings.http_port,
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_SECONDS,
    )


if __name__ == "__main__":
    main()
