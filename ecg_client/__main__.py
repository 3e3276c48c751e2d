"""Run the command line: `ecg`, or `python -m ecg_client`."""

from ecg_client import interrupts


def main() -> None:
    """Run a command."""
    interrupts.end_at_once()
    from ecg_client import cli  # noqa: PLC0415 - it takes a second

    cli.main()


if __name__ == "__main__":
    main()
