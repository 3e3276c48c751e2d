"""`ecg erase`."""

from functools import partial
from typing import Annotated

import typer

from ecg_client.cli import options, output
from ecg_client.cli.either import either
from ecg_client.errors import ClientError, Unauthorized, Unavailable

_FAILED = 1


def erase(
    ids: Annotated[list[str], typer.Argument(metavar="ID", help="The ids of ECGs or recordings.", show_default=False)],
    url: options.Url = None,
    token: options.Token = None,
    retry_for: options.RetryFor = 30,
    json: options.Json = False,
) -> None:
    """Erase ECGs and recordings, their signals and their insights, for good.

    The exit code is 1 if any is unknown; the others are erased nevertheless.

    Examples:
      ecg erase 5f0c0b9e-4d1b-8a3e-9c55-0d8b6f1d2a77
    """
    code = 0
    with options.client(url, token, retry_for) as client:
        for ecg_id in ids:
            try:
                carried_out = either(partial(client.erase, ecg_id), partial(client.recordings.erase, ecg_id))
            except (Unauthorized, Unavailable):
                raise
            except ClientError as error:
                code = _FAILED
                if json:
                    output.json_line({"ecg_id": ecg_id, "error": str(error)})
                else:
                    output.complain(f"{ecg_id}: {error}")
                continue
            if json:
                output.json_line({"ecg_id": ecg_id, "erased": carried_out})
            elif not carried_out:
                output.complain(f"{ecg_id}: will be erased once a worker can be reached")
    raise typer.Exit(code)
