"""What commands print: results on standard output, everything else on standard error."""

import os
import signal
import sys
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from ecg_client.results import Insights

# Tables in a file or a pipe have room, unless COLUMNS says otherwise.
_width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 160
# Neither file names nor reasons are markup.
out = Console(markup=False, highlight=False, emoji=False, width=_width)
err = Console(stderr=True, markup=False, highlight=False, emoji=False, soft_wrap=True)


def json_line(document: dict[str, Any]) -> None:
    """Print one object, without what is None, at once."""
    shown = {name: value for name, value in document.items() if value is not None}
    try:
        sys.stdout.write(orjson.dumps(shown).decode() + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Nobody reads on, as after `| head`: end as the signal would, which Python ignores for the sockets' sake.
        os._exit(128 + signal.SIGPIPE)


def complain(text: str) -> None:
    """Print one line on standard error."""
    print(f"ecg: {printable(text)}", file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """Return text whose control characters, which a terminal would obey, are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def leads(insights: Insights) -> list[dict[str, Any]]:
    """Return insights as the gateway's JSON has them."""
    return [{"name": lead.name, **lead.values} for lead in insights.leads]


def insights_table(insights: Insights) -> Table:
    """Return a table with a row for each lead and a column for each insight."""
    names = list(dict.fromkeys(name for lead in insights.leads for name in lead.values))
    table = Table("lead", *(name.removeprefix("number_of_").replace("_", " ") for name in names))
    for column in table.columns[1:]:
        column.justify = "right"
    for lead in insights.leads:
        table.add_row(printable(lead.name), *(_shown(lead.values.get(name)) for name in names))
    return table


def _shown(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else printable(str(value))
