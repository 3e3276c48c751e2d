"""`ecg show`."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from rich.table import Table

from ecg_client.cli import measurements, options, output
from ecg_client.cli.either import either
from ecg_client.client import EcgClient
from ecg_client.errors import ClientError
from ecg_client.outgoing import longest_chunk
from ecg_client.recording_results import RecordingInsights
from ecg_client.recordings.exported_table import write_exported, write_pieces
from ecg_client.results import StoredEcg
from shared.ecg import Lead

_PENDING = 3
_STANDARD_OUTPUT = Path("-")


def show(  # noqa: PLR0917 - a command's parameters are its options
    ecg_id: Annotated[str, typer.Argument(metavar="ID", help="The id of an ECG or a recording.", show_default=False)],
    url: options.Url = None,
    token: options.Token = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--csv",
            metavar="FILE",
            show_default=False,
            help="Write the signals to a CSV file; - is standard output.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Overwrite the CSV file if it exists.")] = False,
    retry_for: options.RetryFor = 30,
    json: options.Json = False,
) -> None:
    """Print an ECG as it was submitted, or write its signals to a file.

    The CSV file has a column for each lead, in ADC units, and nan for missing
    samples. A comment in its first line keeps sampling rate, gains and date:
    `ecg submit` reads the same ECG from it. Other programs pass over comments,
    as pandas does with comment="#".

    Of a recording that is sent in chunks, the samples so far are written; it is
    printed without its signals.

    The exit code is 3 while it is being processed, and 1 if its signals are
    no longer kept.

    Examples:
      ecg show 5f0c0b9e-4d1b-8a3e-9c55-0d8b6f1d2a77
      ecg show --csv ecg.csv 5f0c0b9e-4d1b-8a3e-9c55-0d8b6f1d2a77
      ecg show --csv - 5f0c0b9e-4d1b-8a3e-9c55-0d8b6f1d2a77 | gzip > ecg.csv.gz
    """
    if json and file == _STANDARD_OUTPUT:
        raise typer.BadParameter("--json and --csv - both write to standard output")
    if file is not None and file != _STANDARD_OUTPUT and not force and file.exists():
        raise _exists(file)
    with options.client(url, token, retry_for) as client:
        ecg = _found(client, ecg_id)
        if isinstance(ecg, RecordingInsights):
            _show_recording(client, ecg, file, force, json)
            return
    if ecg is None:
        output.complain(f"{ecg_id}: is still being processed")
        raise typer.Exit(_PENDING)
    if file is not None:
        _write(file, partial(write_exported, recording=ecg.recording), force)
    if json:
        output.json_line(_document(ecg))
    elif file != _STANDARD_OUTPUT:
        _print(ecg)


def _found(client: EcgClient, ecg_id: str) -> StoredEcg | RecordingInsights | None:
    def of_ecg() -> StoredEcg | RecordingInsights | None:
        return client.ecg(ecg_id)

    return either(of_ecg, lambda: client.recordings.insights(ecg_id))


def _show_recording(client: EcgClient, found: RecordingInsights, file: Path | None, force: bool, json: bool) -> None:
    """Print the progress of a recording, and write its signals to a file, minute by minute."""
    if file is not None:
        outline = client.recordings.resume(found.recording_id).outline
        lengths = [found.number_of_samples] * len(found.leads)
        _write(file, lambda out: write_pieces(out, outline, lengths, _pieces(client, found)), force)
    if json:
        output.json_line({"recording_id": found.recording_id, **output.recording_document(found)})
    elif file != _STANDARD_OUTPUT:
        measurements.show_recording(found)


def _pieces(client: EcgClient, found: RecordingInsights) -> Iterator[tuple[Lead, ...]]:
    count = longest_chunk(found.sampling_rate, len(found.leads))
    for first in range(0, found.number_of_samples, count):
        end = min(first + count, found.number_of_samples)
        if (piece := client.recordings.signals(found.recording_id, first, end)) is not None:
            yield piece.leads


def _document(ecg: StoredEcg) -> dict[str, Any]:
    return {
        "id": ecg.id,
        "label": ecg.recording.label,
        "date": ecg.recording.date,
        "accepted_at": ecg.accepted_at.isoformat(timespec="milliseconds"),
        "sampling_rate": ecg.recording.sampling_rate,
        "leads": [
            {
                "name": lead.name,
                "adc_gain": lead.adc_gain,
                **({"missing": lead.missing} if lead.missing else {}),
                "signal": lead.signal.tolist(),
            }
            for lead in ecg.recording.leads
        ],
    }


def _print(ecg: StoredEcg) -> None:
    recording = ecg.recording
    output.out.print(f"ECG {output.printable(ecg.id)}, accepted {ecg.accepted_at:%Y-%m-%d %H:%M:%S} UTC")
    if recording.label is not None:
        output.out.print(output.printable(recording.label))
    if recording.date is not None:
        output.out.print(f"recorded {recording.date}")
    if recording.sampling_rate is not None:
        output.out.print(f"{recording.sampling_rate:g} Hz")
    table = Table("lead", "samples", "missing", "units per mV")
    for column in table.columns[1:]:
        column.justify = "right"
    for lead in recording.leads:
        gain = "" if lead.adc_gain is None else f"{lead.adc_gain:g}"
        missing = sum(count for _, count in lead.missing)
        table.add_row(output.printable(lead.name), f"{lead.signal.size:,}", f"{missing:,}" if missing else "", gain)
    output.out.print(table)


def _write(file: Path, write: Callable[[TextIO], None], force: bool) -> None:
    if file == _STANDARD_OUTPUT:
        with output.piped() as out:
            write(out)
        return
    try:
        with file.open("w" if force else "x", newline="", encoding="utf-8") as out:
            write(out)
    except FileExistsError:
        raise _exists(file) from None
    except OSError as error:
        raise ClientError(f"{file}: {error.strerror or error}") from None


def _exists(file: Path) -> ClientError:
    return ClientError(f"{file} exists: choose another name, or overwrite it with --force")
