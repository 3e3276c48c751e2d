"""`ecg users`."""

import sys
from typing import Annotated

import typer
from rich.table import Table

from ecg_client.cli import options, output

app = typer.Typer(no_args_is_help=True, help="Register, list and delete users, as the administrator.")

_FAILED = 1

Name = Annotated[str, typer.Argument(help="The user's name.", show_default=False)]


def _seconds(text: str) -> int:
    if (seconds := options.duration(text)) is None:
        raise typer.BadParameter("must be a number of days, hours, minutes or seconds, as 90d, 12h, 30m or 45s")
    return seconds


@app.command()
def add(
    name: Name,
    url: options.Url = None,
    admin_token: options.AdminToken = None,
    expires_in: Annotated[
        int | None,
        typer.Option(
            "--expires-in",
            parser=_seconds,
            metavar="90d|12h|30m|45s",
            show_default=False,
            help="The lifetime of the token; by default it does not expire.",
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Register a user and print the token, which is shown only this once.

    An existing user gets a new token, and the old one is revoked.

    Examples:
      ecg users add st-marys
      export ECG_TOKEN=$(ecg users add st-marys --expires-in 90d)
    """
    target, token = options.admin(url, admin_token)
    with options.admin_client(target) as client:
        user = client.register_user(name, token, expires_in)
    if json:
        expires_at = user.expires_at and user.expires_at.isoformat()
        output.json_line({"username": user.username, "token": user.token, "expires_at": expires_at})
    else:
        typer.echo(user.token)


@app.command("list")
def list_users(url: options.Url = None, admin_token: options.AdminToken = None, json: options.Json = False) -> None:
    """List the users by name, with the times of their registration and of their tokens' issue and expiry.

    Examples:
      ecg users list
      ecg users list --json | jq -r .username
    """
    target, token = options.admin(url, admin_token)
    table = Table("user", "registered", "token issued", "token expires")
    with options.admin_client(target) as client:
        for user in client.users(token):
            times = (user.created_at, user.issued_at, user.expires_at)
            if json:
                names = ("created_at", "issued_at", "expires_at")
                told = (time and time.isoformat() for time in times)
                output.json_line({"username": user.username, **dict(zip(names, told, strict=True))})
            else:
                shown = (f"{time:%Y-%m-%d %H:%M:%S}" if time else "" for time in times)
                table.add_row(output.printable(user.username), *shown)
    if not json:
        output.out.print(table)


@app.command("rm")
def delete(
    name: Name,
    url: options.Url = None,
    admin_token: options.AdminToken = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a user, and erase all of their ECGs and recordings for good.

    Asks first, unless --yes is given; without a terminal to ask on, --yes is
    needed.

    Examples:
      ecg users rm st-marys
      ecg users rm --yes st-marys
    """
    target, token = options.admin(url, admin_token)
    if not yes:
        if not sys.stdin.isatty():
            raise options.Unconfigured(f"there is no terminal to ask whether to delete {name}: add --yes")
        if not output.confirmed(f"Delete {name} at {target}, and erase all of their ECGs and recordings for good?"):
            output.complain(f"{name} is not deleted")
            raise typer.Exit(_FAILED)
    with options.admin_client(target) as client:
        if not client.delete_user(name, token):
            output.complain("the token is revoked; the data will be erased once the workers can be reached")
