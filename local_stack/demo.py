"""The demo: sends one ECG through a running stack."""

import os
import secrets
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ecg_client import ClientError, EcgClient, Insights, Recording, UnreadableRecording, read
from ecg_client.local import running_stack
from local_stack.synthesis import SAMPLING_RATE_HZ, UNITS_PER_MV, synthesise


class DemoFailed(Exception):  # noqa: N818 - named for the outcome
    """The demo could not run; the message says why."""


def run(record: Path | None) -> int:
    """Submit a recording or a synthetic ECG, print its insights, and return the exit code."""
    console = Console()
    try:
        if record is None:
            recording = Recording.of(synthesise(), sampling_rate=SAMPLING_RATE_HZ, adc_gain=UNITS_PER_MV)
            console.print(f"A synthetic 12-lead ECG, 10 s at {SAMPLING_RATE_HZ} Hz")
        else:
            recording = read(record)
            console.print(f"The recording {record.stem}")
            for note in recording.notes:
                console.print(f"  {note}")
        _show(console, recording, _submit(console, recording))
    except UnreadableRecording as error:
        print(f"{record}: {error}", file=sys.stderr)
        return 1
    except (DemoFailed, ClientError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _submit(console: Console, recording: Recording) -> Insights:
    url, admin_token = _target()
    with EcgClient(url) as admin:
        user = admin.register_user(f"demo-{secrets.token_hex(4)}", admin_token)
    console.print(f"Registered {user.username}")
    with EcgClient(url, user.token) as client:
        return client.wait_for_insights(client.submit(recording))


def _target() -> tuple[str, str]:
    """Return URL and admin token: from the environment if it has a token, or else of the stack that runs here."""
    if admin_token := os.environ.get("ECG_ADMIN_TOKEN"):
        return f"http://127.0.0.1:{os.environ.get('ECG_HTTP_PORT', '8000')}", admin_token
    if stack := running_stack():
        return stack.url, stack.admin_token
    raise DemoFailed("No stack runs here: start one with `make run`, in another terminal")


def _show(console: Console, recording: Recording, insights: Insights) -> None:
    console.print(f"ECG {insights.ecg_id}")
    table = Table("lead", "samples", "zero crossings")
    for column in table.columns[1:]:
        column.justify = "right"
    for lead, found in zip(recording.leads, insights.leads, strict=True):
        table.add_row(found.name, f"{lead.signal.size:,}", f"{found.number_of_zero_crossings:,}")
    console.print(table)
