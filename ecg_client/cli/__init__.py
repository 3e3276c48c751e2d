"""The command line `ecg`."""

import logging
import sys
from typing import Annotated

import typer

from ecg_client import interrupts
from ecg_client.cli import dead_letters, options, output, users
from ecg_client.cli.audit import audit
from ecg_client.cli.demo import demo
from ecg_client.cli.erase import erase
from ecg_client.cli.insights import insights
from ecg_client.cli.list import list_ecgs
from ecg_client.cli.produce import produce
from ecg_client.cli.recompute import recompute
from ecg_client.cli.show import show
from ecg_client.cli.stream import stream
from ecg_client.cli.submit import submit
from ecg_client.cli.up import up
from ecg_client.cli.watch import watch
from ecg_client.errors import ClientError
from shared import VERSION

_EXIT_CODES = (
    "Exit codes: 0 all is well; 1 something failed; 2 wrong usage; 3 insights are not there yet; 130 interrupted."
)

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    # Rich tracebacks would print local variables, which may hold tokens and signals.
    pretty_exceptions_enable=False,
    # All commands inherit it.
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_EXIT_CODES,
)
app.add_typer(users.app, name="users")
app.command()(audit)
app.command()(submit)
app.command()(stream)
app.command()(insights)
app.command("list")(list_ecgs)
app.command()(show)
app.command()(erase)
app.command()(produce)
app.command()(watch)
app.command()(recompute)
app.add_typer(dead_letters.app, name="dlq")
app.command()(up)
app.command()(demo)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ecg {VERSION}")
        raise typer.Exit


@app.callback()
def ecg(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Submit electrocardiograms, and read what is in them.

    Start here:
      ecg up                                # in another terminal
      export ECG_TOKEN=$(ecg users add me)  # register
      ecg submit --wait recordings/100      # submit, and see
      ecg list                              # what you have submitted

    Settings are options or environment variables; `ecg COMMAND --help`
    names both.
    """


def main() -> None:
    """Run a command; an error, or an interrupt, is printed as one line on standard error."""
    # aiokafka logs every failed attempt; the command reports one error at the end.
    for library in ("aiokafka", "asyncio"):
        logging.getLogger(library).setLevel(logging.CRITICAL)
    interrupts.interrupt()
    try:
        code = _run()
    except KeyboardInterrupt:
        output.complain("interrupted")
        code = interrupts.INTERRUPTED
    interrupts.end_at_once()
    if code == interrupts.INTERRUPTED:
        interrupts.leave()
    sys.exit(code)


def _run() -> int | str | None:
    try:
        app(prog_name="ecg")
    except SystemExit as ended:
        if ended.code == interrupts.INTERRUPTED:
            # Typer's answer to Ctrl-C.
            raise KeyboardInterrupt from None
        return ended.code
    except options.Interrupted as error:
        output.complain(str(error))
        return interrupts.INTERRUPTED
    except options.Unconfigured as error:
        output.complain(str(error))
        return 2
    except ClientError as error:
        output.complain(str(error))
        return 1
    return 0
