"""Run the command line: `ecg`, or `python -m ecg_client`."""

import sys

from ecg_client import interrupts

_USAGE = 2


def main() -> None:
    """Run a command, or say what to install if the command's libraries are missing: the client needs none of them."""
    interrupts.end_at_once()
    try:
        from ecg_client import cli  # noqa: PLC0415 - an extra, and it takes a second
    except ModuleNotFoundError as error:
        print(
            f"ecg: {error.name} is missing: install the command with pip install 'ecg-stream-pipeline[cli]'",
            file=sys.stderr,
        )
        sys.exit(_USAGE)
    cli.main()


if __name__ == "__main__":
    main()
