"""The demo: one ECG through a running stack."""

import os
import secrets
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from local_stack.recording import UnreadableRecord, read_record
from local_stack.stack import running_stack
from local_stack.synthesis import SAMPLING_RATE_HZ, synthesise

_PATIENCE_SECONDS = 30.0


class DemoFailed(Exception):  # noqa: N818 - named for the outcome
    """The demo could not be shown; the message says why."""


def run(record: Path | None) -> int:
    """Submit a record, or a synthetic ECG, print its insights, and return the exit code."""
    console = Console()
    try:
        if record is None:
            date: str | None = None
            leads: list[tuple[str, NDArray[Any]]] = list(synthesise().items())
            console.print(f"A synthetic 12-lead ECG, 10 s at {SAMPLING_RATE_HZ} Hz")
        else:
            recording = read_record(record)
            date, leads = recording.date, list(recording.leads)
            console.print(f"The recording {record.stem}")
            for note in recording.notes:
                console.print(f"  {note}")
        _show(console, leads, *_submit(console, date, leads))
    except (DemoFailed, UnreadableRecord) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _submit(
    console: Console, date: str | None, leads: list[tuple[str, NDArray[Any]]]
) -> tuple[str, list[dict[str, Any]]]:
    url, admin_token = _target()
    try:
        with httpx.Client(base_url=url, timeout=30.0, trust_env=False) as client:
            user = client.post(
                "/users", json={"username": f"demo-{secrets.token_hex(4)}"}, headers={"x-admin-token": admin_token}
            )
            body = orjson.dumps(
                {"date": date, "leads": [{"name": name, "signal": signal} for name, signal in _contiguous(leads)]},
                option=orjson.OPT_SERIALIZE_NUMPY,
            )
            client.headers["x-user-token"] = _expect(user, 201)["token"]
            console.print(f"Registered {user.json()['username']}; submitting {len(body) / 1e6:.1f} MB")
            accepted = client.post("/ecgs", content=body, headers={"content-type": "application/json"})
            ecg_id = _expect(accepted, 201)["id"]
            return ecg_id, _wait_for_insights(client, ecg_id)
    except httpx.HTTPError as error:
        raise DemoFailed(f"The gateway at {url} does not answer: {error}") from None


def _contiguous(leads: list[tuple[str, NDArray[Any]]]) -> list[tuple[str, NDArray[Any]]]:
    return [(name, np.ascontiguousarray(signal)) for name, signal in leads]


def _target() -> tuple[str, str]:
    """Return URL and admin token: of the stack that runs here, or of the environment."""
    if admin_token := os.environ.get("ECG_ADMIN_TOKEN"):
        return f"http://127.0.0.1:{os.environ.get('ECG_HTTP_PORT', '8000')}", admin_token
    if stack := running_stack():
        return stack
    raise DemoFailed("No stack runs here: start one with `make run`, in another terminal")


def _wait_for_insights(client: httpx.Client, ecg_id: str) -> list[dict[str, Any]]:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        response = client.get(f"/ecgs/{ecg_id}/insights")
        if response.status_code == httpx.codes.OK:
            return list(response.json()["leads"])
        if response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            _expect(response, 202)
        time.sleep(0.05)
    raise DemoFailed(f"No insights of {ecg_id} within {_PATIENCE_SECONDS:.0f} s")


def _expect(response: httpx.Response, status: int) -> dict[str, Any]:
    if response.status_code != status:
        raise DemoFailed(f"The gateway answered {response.status_code}: {response.text[:300]}")
    return dict(response.json())


def _show(console: Console, leads: list[tuple[str, NDArray[Any]]], ecg_id: str, insights: list[dict[str, Any]]) -> None:
    console.print(f"ECG {ecg_id}")
    table = Table("lead", "samples", "zero crossings")
    for column in table.columns[1:]:
        column.justify = "right"
    for (_, signal), lead in zip(leads, insights, strict=True):
        table.add_row(lead["name"], f"{signal.size:,}", f"{lead['number_of_zero_crossings']:,}")
    console.print(table)
