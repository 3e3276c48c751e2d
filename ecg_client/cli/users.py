"""`ecg users`."""

from typing import Annotated

import typer

from ecg_client.cli import options, output
from ecg_client.client import EcgClient

app = typer.Typer(no_args_is_help=True, help="Register users, as the administrator.")


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="The user's name.", show_default=False)],
    url: options.Url = None,
    admin_token: options.AdminToken = None,
    json: options.Json = False,
) -> None:
    """Register a user and print the token, which is shown this once.

    A user who is there already gets a new token; the old one is revoked.

    Examples:
      ecg users add st-marys
      export ECG_TOKEN=$(ecg users add st-marys)
    """
    target, token = options.admin(url, admin_token)
    with EcgClient(target) as client:
        user = client.register_user(name, token)
    if json:
        output.json_line({"username": user.username, "token": user.token})
    else:
        typer.echo(user.token)
