"""Keys and ids derived from a file's name (without its folders) and content: sent again, it is the same ECG."""

import uuid
from dataclasses import replace
from hashlib import sha256

import msgspec

from ecg_client.recordings import Recording, Source
from ecg_client.requests import encode
from shared.ecg import narrow

_IDS = uuid.UUID("0f5c3c1e-6c0b-5d2c-9f1f-3f3b6a1d7e52")
# Samples of each lead that are hashed at a time. Another number would make other recordings of the same files.
_PIECE = 1 << 16


def idempotency_key(recording: Recording) -> str:
    """Return the idempotency key of a recording: with the same key, a gateway gives it the same id.

    A file has the same key every time. Any other recording gets a new key each time, because two may be equal.
    """
    if recording.file_name is None:
        return str(uuid.uuid4())
    return f"file/{_digest(recording.file_name, recording)}"


def ecg_id(username: str, recording: Recording) -> str:
    """Return the id, a version-5 UUID, of a user's file that is produced straight onto Kafka."""
    return str(uuid.uuid5(_IDS, f"{username}\n{_digest(recording.file_name or '', recording)}"))


def _digest(name: str, recording: Recording) -> str:
    # The label does not make another ECG.
    parts = (name.encode(errors="surrogateescape"), encode(replace(recording, label=None)))
    return sha256(b"".join(sha256(part).digest() for part in parts)).hexdigest()


def recording_key(source: Source) -> str:
    """Return the idempotency key of a file that is sent in chunks. The file is read once, in pieces."""
    return f"recording/{_digest_of_pieces(source)}"


def recording_id(username: str, source: Source) -> str:
    """Return the id, a version-5 UUID, of a user's file that is produced straight onto Kafka in chunks."""
    return str(uuid.uuid5(_IDS, f"{username}\nrecording\n{_digest_of_pieces(source)}"))


def _digest_of_pieces(source: Source) -> str:
    leads = [(lead.name, lead.adc_gain, length) for lead, length in zip(source.leads, source.lengths, strict=True)]
    described = msgspec.json.encode([leads, source.sampling_rate, source.date])
    digest = sha256(sha256(source.file_name.encode(errors="surrogateescape")).digest() + sha256(described).digest())
    for _, piece in source.pieces(0, _PIECE):
        for lead in piece:
            signal = narrow(lead.signal.astype("<i8", copy=False))
            digest.update(msgspec.json.encode([signal.itemsize, signal.size, lead.missing]))
            digest.update(signal.tobytes())
    return digest.hexdigest()
