"""The output of commands: results go to standard output, everything else to standard error."""

import math
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

import orjson
from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ecg_client.errors import Unavailable
from ecg_client.recording_results import RecordingInsights
from ecg_client.results import Insights

# Columns of a table that is written to a file or a pipe, unless COLUMNS is set.
_width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 160
# No markup: file names and error messages may contain brackets.
out = Console(markup=False, highlight=False, emoji=False, width=_width)
# The width of an id that a gateway issues; a table without room for it is of no use.
ID_WIDTH = 36
# What a column takes beside its text, both borders included.
_BORDERS = 4
_ANY_WIDTH = 10_000
_FOLDED = ("id", "label")
err = Console(stderr=True, markup=False, highlight=False, emoji=False, soft_wrap=True)


def json_line(document: dict[str, Any]) -> None:
    """Print one object as a line of JSON, without the fields that are None, and flush it."""
    shown = {name: value for name, value in document.items() if value is not None}
    with piped() as standard_output:
        standard_output.write(orjson.dumps(shown).decode() + "\n")


def line(text: str) -> None:
    """Print one line, and flush it."""
    with piped() as standard_output:
        standard_output.write(f"{printable(text)}\n")


@contextmanager
def piped() -> Iterator[TextIO]:
    """Yield standard output, and flush it; end the process if nobody reads it."""
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has gone, as with `| head`: exit as SIGPIPE would have it, which Python ignores.
        os._exit(128 + signal.SIGPIPE)


def complain(text: str) -> None:
    """Print one line on standard error."""
    print(f"ecg: {printable(text)}", file=sys.stderr, flush=True)


def fits(table: Table) -> bool:
    """Return True if the terminal is wide enough for a table without breaks within words."""
    return _least_width(table) <= out.width


def print_list(columns: Mapping[str, Sequence[str]], failed: Sequence[bool], optional: Sequence[str]) -> None:
    """Print columns of equal lengths by title. Rows that `failed` are red; an `id` or a `label` may be folded.

    If the terminal is too narrow, the columns in `optional` are left out, the last of them first, until the rest fits,
    and a line on standard error names them. So are columns without any text, without a line.
    """
    shown = {title: list(map(printable, cells)) for title, cells in columns.items() if any(cells) or not failed}
    # Each column shares a border with the next one.
    widths = {title: _least_width(_list_table({title: cells}, failed)) - 1 for title, cells in shown.items()}
    left_out: list[str] = []

    def too_wide() -> bool:
        return sum(widths.values()) + 1 > out.width

    for title in reversed([title for title in optional if title in shown]):
        if not too_wide():
            break
        del widths[title], shown[title]
        left_out.insert(0, title)
    out.print(_list_table(shown, failed))
    if too_wide():
        complain("the terminal is too narrow for this list: --json prints all of it")
    elif left_out:
        complain(f"the terminal is too narrow for some columns ({'; '.join(left_out)}): --json prints all")


def _list_table(columns: Mapping[str, Sequence[str]], failed: Sequence[bool]) -> Table:
    table = Table(*columns)
    for column in table.columns:
        if column.header in _FOLDED:
            column.overflow, column.max_width = "fold", ID_WIDTH
            # An id in one piece can be copied; one that has no room is folded, and not cut off.
            column.no_wrap = (
                column.header == "id"
                and out.width >= ID_WIDTH + _BORDERS * len(columns)
                and all(len(cell) <= ID_WIDTH for cell in columns["id"])
            )
    for cells, is_red in zip(zip(*columns.values(), strict=True), failed, strict=True):
        table.add_row(*cells, style="red" if is_red else None)
    return table


def _least_width(table: Table) -> int:
    """Return the least width of a table without breaks within words."""
    return Measurement.get(out, out.options.update(max_width=_ANY_WIDTH), table).minimum


class OutageNotice:
    """Says once in an outage that the command waits, and for how long at most: calls that wait together share it."""

    def __init__(self) -> None:
        self._until = -math.inf

    def __call__(self, error: Unavailable, seconds: float) -> None:
        """Say so, unless the wait that was announced last still goes on."""
        now = time.monotonic()
        if now >= self._until:
            self._until = now + seconds
            complain(f"{error}; waiting for up to {math.ceil(seconds)} s")


def confirmed(question: str) -> bool:
    """Ask on standard error, and return True if the answer is yes; no answer is no."""
    print(f"ecg: {printable(question)} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def printable(text: str) -> str:
    """Return the text with its control characters escaped, because a terminal would obey them."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def progress_bar() -> Progress:
    """Return a progress bar with one task, on standard error; nothing is shown without a terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )


def insights_document(insights: Insights) -> dict[str, Any]:
    """Return insights in the form of the gateway's JSON; fields that an answer does not have are None."""
    return {
        "leads": [{"name": lead.name, **lead.values} for lead in insights.leads],
        "sampling_rate": insights.sampling_rate,
        "ecg": insights.ecg or None,
        "not_computed": insights.not_computed or None,
        "versions": insights.versions or None,
    }


def recording_document(found: RecordingInsights) -> dict[str, Any]:
    """Return the insights of a recording in the form of the gateway's JSON, without its id."""
    return {
        "label": found.label,
        "date": found.date,
        "accepted_at": None if found.accepted_at is None else found.accepted_at.isoformat(timespec="milliseconds"),
        "sampling_rate": found.sampling_rate,
        "number_of_samples": found.number_of_samples,
        "complete_until": found.complete_until,
        "gaps": found.gaps,
        "final": found.final,
        "revision": found.revision,
        "refused": {"number": found.refused, "latest": found.refusals},
        "leads": [{"name": lead.name, "adc_gain": lead.adc_gain, **lead.values} for lead in found.leads],
        "beats": found.beats,
        "not_computed": found.not_computed or None,
    }
