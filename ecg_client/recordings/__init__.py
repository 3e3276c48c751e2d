"""Recordings in the field's formats, each read by the field's own reader: zero becomes the isoelectric line."""

from ecg_client.recordings.formats import Format, find, parts, read
from ecg_client.recordings.recording import Calibration, Recording, UnreadableRecording

__all__ = ["Calibration", "Format", "Recording", "UnreadableRecording", "find", "parts", "read"]
