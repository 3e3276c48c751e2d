"""`ecg up`."""

from typing import Annotated

import typer

from ecg_client.cli.options import Unconfigured


def up(
    broker: Annotated[
        str | None,
        typer.Option(
            metavar="embedded|kafka",
            show_default=False,
            help="embedded (the default) loses all data when it stops; kafka keeps it, and needs Java 17 and Maven.",
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="The number of workers, which share the load.")] = 1,
    gateways: Annotated[int, typer.Option(min=1, help="The number of gateways, which share the port.")] = 1,
) -> None:
    """Run the whole pipeline on this machine until Ctrl-C, as `make run` does.

    Other commands that run with the same ECG_DATA_DIR (default: data, where
    you are) find it by themselves.

    Examples:
      ecg up
      ECG_HTTP_PORT=8001 ecg up --broker kafka --workers 2
    """
    try:
        from local_stack.up import run  # noqa: PLC0415 - the broker is an extra
    except ImportError as error:
        raise Unconfigured(
            f"{error.name} is missing: install the stack with pip install 'ecg-stream-pipeline[local]'"
        ) from None
    raise typer.Exit(run(broker, workers, gateways))
