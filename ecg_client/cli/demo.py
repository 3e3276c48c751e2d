"""`ecg demo`."""

import secrets
from pathlib import Path
from typing import Annotated

import typer

from ecg_client.cli import measurements, options, output
from ecg_client.client import EcgClient
from ecg_client.errors import ClientError
from ecg_client.local import running_stack
from ecg_client.recordings import Recording, UnreadableRecording, read

_FAILED = 1


def demo(
    record: Annotated[
        Path | None,
        typer.Argument(metavar="RECORD", show_default=False, help="A recording; by default, a synthetic ECG."),
    ] = None,
    url: options.Url = None,
    admin_token: options.AdminToken = None,
) -> None:
    """Register a user, submit one ECG, and print its insights.

    Examples:
      ecg demo
      ecg demo recordings/100
    """
    target, token = _target(url, admin_token)
    try:
        recording = _synthetic() if record is None else _read(record)
    except UnreadableRecording as error:
        output.complain(f"{record}: {error}")
        raise typer.Exit(_FAILED) from None
    with options.admin_client(target) as admin:
        user = admin.register_user(f"demo-{secrets.token_hex(4)}", token)
    output.out.print(f"Registered {user.username}")
    with EcgClient(target, user.token, on_outage=output.OutageNotice()) as client:
        insights = client.wait_for_insights(client.submit(recording))
    measurements.show(insights, [lead.signal.size for lead in recording.leads])


def _target(url: str | None, admin_token: str | None) -> tuple[str, str]:
    if not (url or admin_token or running_stack()):
        raise ClientError("no stack runs here: start one with `make run` or `ecg up`, in another terminal")
    return options.admin(url, admin_token)


def _synthetic() -> Recording:
    from ecg_client.synthesis import SAMPLING_RATE_HZ, UNITS_PER_MV, synthesise  # noqa: PLC0415 - for the demo alone

    output.out.print(f"A synthetic 12-lead ECG, 10 s at {SAMPLING_RATE_HZ} Hz")
    return Recording.of(synthesise(), sampling_rate=SAMPLING_RATE_HZ, adc_gain=UNITS_PER_MV)


def _read(record: Path) -> Recording:
    recording = read(record)
    output.out.print(output.printable(f"The recording {record.stem}"))
    for note in recording.notes:
        output.out.print(output.printable(f"  {note}"))
    return recording
