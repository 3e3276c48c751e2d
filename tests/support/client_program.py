"""A program as users of the client write it; mypy checks it against the built wheel."""

from pathlib import Path

from ecg_client import Calibration, ClientError, EcgClient, Lead, Recording, read


def heart_rates(url: str, token: str, files: list[Path]) -> dict[str, float | None]:
    """Submit recordings, and return their heart rates by their ids."""
    rates: dict[str, float | None] = {}
    with EcgClient(url, token) as client:
        for file in files:
            recording: Recording = read(file, Calibration(unit="mV", sampling_rate=500))
            first: Lead = recording.leads[0]
            try:
                found = client.wait_for_insights(client.submit(recording))
            except ClientError as error:
                print(f"{file}, lead {first.name} with {first.signal.size} samples: {error}")
            else:
                rates[found.ecg_id] = found.ecg["rhythm"].get("heart_rate_bpm")
    return rates
