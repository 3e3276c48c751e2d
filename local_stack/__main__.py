"""Command line: `python -m local_stack up`."""

import argparse
import sys

from local_stack import up
from local_stack.config import Broker


def main() -> int:
    """Run a command and return its exit code."""
    parser = argparse.ArgumentParser(prog="local_stack", description="The ECG stream pipeline on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    up_parser = commands.add_parser("up", help="run broker, worker and gateway until Ctrl-C")
    up_parser.add_argument("--broker", metavar="|".join(Broker), help="the broker to start (default: embedded)")
    up_parser.add_argument("--workers", type=int, default=1, help="workers, which share the load (default: 1)")
    up_parser.add_argument("--gateways", type=int, default=1, help="gateways, which share the port (default: 1)")
    arguments = parser.parse_args()
    return up.run(arguments.broker, arguments.workers, arguments.gateways)


if __name__ == "__main__":
    sys.exit(main())
