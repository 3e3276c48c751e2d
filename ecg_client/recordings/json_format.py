"""JSON, as the gateway takes it."""

from pathlib import Path

from ecg_client.recordings.content import read_bytes
from ecg_client.recordings.recording import Recording, UnreadableRecording
from shared.encoding import plain
from shared.errors import InvalidEcg


def read_json(path: Path) -> Recording:
    """Read a submission: `{"date"?, "sampling_rate"?, "leads": [{"name", "adc_gain"?, "signal": [int]}]}`.

    Raises:
        UnreadableRecording: if it breaks the schema; the message names the field.
    """
    try:
        content = plain.decode_content(read_bytes(path))
    except InvalidEcg as error:
        raise UnreadableRecording(str(error)) from None
    return Recording(content.leads, content.date, sampling_rate=content.sampling_rate)
