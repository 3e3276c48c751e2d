"""Recordings whose samples stay in the file until they are needed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ecg_client.recordings.channels import NO_SAMPLES, Channel, recording_of
from ecg_client.recordings.missing import Ranges
from ecg_client.recordings.recording import Recording
from shared.ecg import Signal

# Reads a number of samples from a first one on, which must exist: shape (count,), 0 where missing, and the ranges of
# missing samples, relative to the first.
Read = Callable[[int, int], tuple[Signal, Ranges]]


@dataclass(frozen=True)
class StoredChannel:
    """A channel as `Channel`, with its number of samples and a function that reads them.

    `missing` is the number of its missing samples, or None if the samples have to be read to find them.
    """

    name: str
    size: int
    read: Read
    gain: float | None = None
    unit: str = ""
    rate: float | None = None
    missing: int | None = None

    def channel(self, first: int, count: int) -> Channel:
        """Return the channel with its samples among `count` samples from `first` on."""
        present = max(0, min(count, self.size - first))
        samples, missing = self.read(first, present) if present else (NO_SAMPLES, ())
        return Channel(self.name, samples, self.gain, self.unit, self.rate, missing)


@dataclass(frozen=True)
class StoredRecording:
    """The channels that were chosen as leads, when the recording began (ISO 8601), and the notes of its reader.

    `typed` is True if names begin with the type of the signal, as in EDF+.
    """

    channels: Sequence[StoredChannel]
    date: str | None
    notes: Sequence[str]
    typed: bool = False

    def whole(self) -> Recording:
        """Return the recording with all of its samples.

        Raises:
            UnreadableRecording: if the file cannot be read, or all samples of all channels are missing.
        """
        channels = [stored.channel(0, stored.size) for stored in self.channels]
        return recording_of(channels, self.date, self.notes, typed=self.typed)
