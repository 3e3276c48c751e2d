"""Running the stack until it is stopped."""

import asyncio
import sys
from functools import partial

from local_stack.config import Broker, Config, ConfigError, locked
from local_stack.kafka import Distribution, KafkaUnavailableError, NodeFailedError, install
from local_stack.stack import Stack


def run(broker: str | None, workers: int, gateways: int) -> int:
    """Run broker, workers and gateways until Ctrl-C, and return the exit code."""
    try:
        config = Config.from_environment(broker, workers, gateways)
        with locked(config.data_dir):
            kafka = install(partial(print, flush=True)) if config.broker is Broker.KAFKA else None
            return asyncio.run(_up(config, kafka))
    except (ConfigError, KafkaUnavailableError) as error:
        print(error, file=sys.stderr)
        return 2
    except (NodeFailedError, TimeoutError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # during the download, which may take minutes
        return 130


async def _up(config: Config, kafka: Distribution | None) -> int:
    return await Stack(config, kafka).run()
