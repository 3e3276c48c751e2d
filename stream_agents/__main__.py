"""Run a worker: `python -m stream_agents`."""

import asyncio

import faust

from shared import log
from shared.memory import keep_freed
from shared.settings import Settings
from stream_agents.app import create_app, create_topics


def main() -> None:
    """Run a worker until SIGINT or SIGTERM."""
    settings = Settings()
    log.configure(settings.log_level, settings.log_format)
    keep_freed()
    asyncio.run(create_topics(settings))
    app = create_app(settings)
    worker = faust.Worker(app, quiet=True, override_logging=False, redirect_stdouts=False)
    # It writes to the terminal also where there is none, among the lines of the log.
    worker.spinner = None
    worker.execute_from_commandline()


if __name__ == "__main__":
    main()
