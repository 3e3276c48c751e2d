"""Run a worker: `python -m stream_agents`."""

import asyncio

import faust
import uvloop

from shared import log, topics
from shared.memory import keep_freed
from shared.settings import Settings
from stream_agents.app import create_app


def main() -> None:
    """Run a worker until SIGINT or SIGTERM."""
    settings = Settings()
    log.configure(settings.log_level, settings.log_format)
    keep_freed()
    if settings.event_loop == "uvloop":
        # For the loops of Faust's threads too.
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    topics.prepare_or_exit(settings)
    app = create_app(settings)
    worker = faust.Worker(app, quiet=True, override_logging=False, redirect_stdouts=False)
    # It writes to the terminal also where there is none, among the lines of the log.
    worker.spinner = None
    worker.execute_from_commandline()


if __name__ == "__main__":
    main()
