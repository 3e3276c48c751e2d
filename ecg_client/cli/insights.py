"""`ecg insights`."""

from typing import Annotated

import typer

from ecg_client.cli import measurements, options, output
from ecg_client.cli.either import either
from ecg_client.client import EcgClient
from ecg_client.errors import ClientError, StillProcessing, Unauthorized, Unavailable
from ecg_client.recording_results import RecordingInsights
from ecg_client.results import Insights

_FAILED, _PENDING = 1, 3


def insights(  # noqa: PLR0917 - a command's parameters are its options
    ids: Annotated[list[str], typer.Argument(metavar="ID", help="The ids of ECGs or recordings.", show_default=False)],
    url: options.Url = None,
    token: options.Token = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until they are there.")] = False,
    timeout: options.Timeout = 60,
    retry_for: options.RetryFor = 30,
    json: options.Json = False,
    fhir: Annotated[
        bool, typer.Option("--fhir", help="Print FHIR R4 Observations as JSON, one object a line.")
    ] = False,
) -> None:
    """Print the insights of ECGs, and those of recordings so far.

    They are measurements for people who can judge them, not a diagnosis.

    The exit code is 3 if any ECG is still being processed, and 1 if any is
    unknown or could not be processed.

    Examples:
      ecg insights 5f0c0b9e-4d1b-8a3e-9c55-0d8b6f1d2a77
      ecg submit --json *.hea | jq -r .id | xargs ecg insights --wait --json
      ecg insights --fhir 5f0c0b9e-4d1b-8a3e-9c55-0d8b6f1d2a77 > observation.json
    """
    code = 0
    with options.client(url, token, retry_for) as client:
        for ecg_id in ids:
            try:
                found = _found(client, ecg_id, timeout if wait else None)
                if fhir and isinstance(found, RecordingInsights):
                    raise ClientError("is a recording: only ECGs have FHIR Observations")
            except (Unauthorized, Unavailable):
                raise
            except StillProcessing:
                found = None
            except ClientError as error:
                code = _FAILED
                if json or fhir:
                    output.json_line({"ecg_id": ecg_id, "error": str(error)})
                else:
                    output.complain(f"{ecg_id}: {error}")
                continue
            if found is None:
                code = code or _PENDING
                if json or fhir:
                    output.json_line({"ecg_id": ecg_id, "pending": True})
                else:
                    output.complain(f"{ecg_id}: is still being processed")
            elif fhir:
                output.json_line(client.insights_as_fhir(ecg_id) or {"ecg_id": ecg_id, "pending": True})
            else:
                _print(found, json)
    raise typer.Exit(code)


def _found(client: EcgClient, ecg_id: str, timeout: float | None) -> Insights | RecordingInsights | None:
    """Return the insights of an ECG or a recording, or None before there are any; wait for them, with a timeout."""

    def of_ecg() -> Insights | RecordingInsights | None:
        return client.insights(ecg_id) if timeout is None else client.wait_for_insights(ecg_id, timeout)

    return either(of_ecg, lambda: client.recordings.insights(ecg_id))


def _print(found: Insights | RecordingInsights, json: bool) -> None:
    if isinstance(found, RecordingInsights):
        if json:
            output.json_line({"recording_id": found.recording_id, **output.recording_document(found)})
        else:
            measurements.show_recording(found)
    elif json:
        output.json_line({"ecg_id": found.ecg_id, **output.insights_document(found)})
    else:
        measurements.show(found)
