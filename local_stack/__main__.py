"""Command line: `python -m local_stack up` and `python -m local_stack demo [RECORD]`."""

import argparse
import asyncio
import sys
from pathlib import Path

from local_stack import demo
from local_stack.config import Config, ConfigError
from local_stack.stack import Stack


def main() -> int:
    """Run a command and return its exit code."""
    parser = argparse.ArgumentParser(prog="local_stack", description="The ECG stream pipeline on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="run broker, worker and gateway until Ctrl-C")
    demo_parser = commands.add_parser("demo", help="submit an ECG to the running stack and print its insights")
    demo_parser.add_argument("record", nargs="?", type=Path, help="a WFDB record; default: a synthetic ECG")
    arguments = parser.parse_args()
    if arguments.command == "demo":
        return demo.run(arguments.record)
    try:
        config = Config.from_environment()
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    return asyncio.run(_up(config))


async def _up(config: Config) -> int:
    return await Stack(config).run()


if __name__ == "__main__":
    sys.exit(main())
