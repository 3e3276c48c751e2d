"""Command line: `python -m local_stack up` and `python -m local_stack demo [RECORD]`."""

import argparse
import sys
from pathlib import Path

from local_stack import demo, up
from local_stack.config import Broker


def main() -> int:
    """Run a command and return its exit code."""
    parser = argparse.ArgumentParser(prog="local_stack", description="The ECG stream pipeline on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    up_parser = commands.add_parser("up", help="run broker, worker and gateway until Ctrl-C")
    up_parser.add_argument("--broker", metavar="|".join(Broker), help="the broker to start (default: embedded)")
    up_parser.add_argument("--workers", type=int, default=1, help="workers, which share the load (default: 1)")
    up_parser.add_argument("--gateways", type=int, default=1, help="gateways, which share the port (default: 1)")
    demo_parser = commands.add_parser("demo", help="submit an ECG to the running stack and print its insights")
    demo_parser.add_argument("record", nargs="?", type=Path, help="a recording; by default, a synthetic ECG is made")
    arguments = parser.parse_args()
    if arguments.command == "demo":
        return demo.run(arguments.record)
    return up.run(arguments.broker, arguments.workers, arguments.gateways)


if __name__ == "__main__":
    sys.exit(main())
