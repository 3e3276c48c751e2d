"""Readers of recordings in the field's formats; zero becomes the isoelectric line."""

from ecg_client.recordings.formats import Format, find, open_source, parts, read, read_or_open
from ecg_client.recordings.pieces import Source, source_of
from ecg_client.recordings.recording import Calibration, NoRecording, Recording, UnreadableRecording

__all__ = [
    "Calibration",
    "Format",
    "NoRecording",
    "Recording",
    "Source",
    "UnreadableRecording",
    "find",
    "open_source",
    "parts",
    "read",
    "read_or_open",
    "source_of",
]
