"""JSON: a submission to the gateway, or a FHIR Observation."""

from pathlib import Path
from typing import Any

import orjson

from ecg_client.recordings.content import read_bytes
from ecg_client.recordings.fhir_format import read_fhir
from ecg_client.recordings.recording import Calibration, NoRecording, Recording, UnreadableRecording
from shared.encoding import plain
from shared.errors import InvalidEcg

# What the gateway's answers and messages on Kafka have besides the fields of a submission.
_OF_THE_GATEWAY = frozenset({"id", "accepted_at", "username"})


def read_json(path: Path, calibration: Calibration) -> Recording:
    """Read a submission to the gateway, or a FHIR Observation.

    Raises:
        UnreadableRecording: if it breaks the schema, or has an unknown field; the message names the field.
    """
    stored = read_bytes(path)
    if b'"resourceType"' in stored:
        return read_fhir(_resource(stored), calibration)
    try:
        content = plain.decode_content(stored, only_known=True, besides=_OF_THE_GATEWAY)
    except InvalidEcg as error:
        kind = UnreadableRecording if b'"leads"' in stored else NoRecording
        raise kind(str(error)) from None
    return Recording(content.leads, content.date, sampling_rate=content.sampling_rate, label=content.label)


def _resource(stored: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(stored)
    except orjson.JSONDecodeError:
        document = None
    if isinstance(document, dict) and document.get("resourceType") == "Observation":
        return document
    # A bundle may hold Observations.
    whole = isinstance(document, dict) and document.get("resourceType") != "Bundle"
    kind = NoRecording if whole else UnreadableRecording
    raise kind("is not a FHIR Observation")
