"""Long recordings, read in pieces: only one piece is in memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from ecg_client.recordings.channels import filled, outlined
from ecg_client.recordings.missing import count as number_of
from ecg_client.recordings.recording import Calibration, Recording, checked
from ecg_client.recordings.stored import StoredChannel, StoredRecording
from shared.ecg import Lead, cut

_SAMPLES_AT_ONCE = 1 << 17


@dataclass(frozen=True)
class Source:
    """A recording whose samples are read in pieces; its fields are those of `Recording`.

    The leads have no samples. `lengths` has the number of samples of each: they differ in few recordings, such as those
    with several sampling rates.
    """

    leads: tuple[Lead, ...]
    lengths: tuple[int, ...]
    date: str | None
    sampling_rate: float | None
    label: str | None
    notes: tuple[str, ...]
    file_name: str
    _read: Callable[[int, int], tuple[Lead, ...]] = field(repr=False)

    @property
    def number_of_samples(self) -> int:
        """The number of samples of the longest lead."""
        return max(self.lengths)

    def pieces(self, start: int, count: int) -> Iterator[tuple[int, tuple[Lead, ...]]]:
        """Yield pieces of `count` samples from sample `start` on: the first sample, and the leads.

        The last piece may be shorter. A lead that ends before the others has fewer samples or none in the last pieces.
        Missing ranges are relative to the piece.

        Raises:
            UnreadableRecording: if the file cannot be read any more, or has changed since it was opened.
        """
        for first in range(start, self.number_of_samples, count):
            yield first, self._read(first, count)


def source_of(recording: Recording | StoredRecording, calibration: Calibration, file_name: str) -> Source:
    """Return the source of a recording that was read from a file, completed with a calibration.

    All samples of a file whose missing samples are marked are read once, to count them.

    Raises:
        UnreadableRecording: if it cannot be read, or is not an ECG that the pipeline accepts.
    """
    if isinstance(recording, StoredRecording):
        channels = recording.channels
        sizes = [channel.size for channel in channels]
        kept, outline = outlined(
            [channel.channel(0, 0) for channel in channels],
            sizes,
            _missing(channels),
            recording.date,
            recording.notes,
            typed=recording.typed,
        )
        outline = checked(calibration.complete(outline))
        lengths = tuple(sizes[i] for i in kept)
        read = partial(_stored, outline.leads, [channels[i] for i in kept])
    else:
        whole = checked(calibration.complete(recording))
        outline = replace(whole, leads=_sliced(whole.leads, 0, 0))
        lengths = tuple(lead.signal.size for lead in whole.leads)
        read = partial(_sliced, whole.leads)
    return Source(
        outline.leads,
        lengths,
        outline.date,
        outline.sampling_rate,
        outline.label,
        outline.notes,
        file_name,
        read,
    )


def _stored(leads: Sequence[Lead], channels: Sequence[StoredChannel], first: int, count: int) -> tuple[Lead, ...]:
    return tuple(filled(lead, channel.channel(first, count)) for lead, channel in zip(leads, channels, strict=True))


def _sliced(leads: Sequence[Lead], first: int, count: int) -> tuple[Lead, ...]:
    return tuple(cut(lead, range(first, first + count)) for lead in leads)


def _missing(channels: Sequence[StoredChannel]) -> list[int]:
    """Return the number of missing samples of each channel; samples are read only where `missing` is None."""
    missing = [channel.missing or 0 for channel in channels]
    unknown = [i for i, channel in enumerate(channels) if channel.missing is None]
    for first in range(0, max((channels[i].size for i in unknown), default=0), _SAMPLES_AT_ONCE):
        for i in unknown:
            missing[i] += number_of(channels[i].channel(first, _SAMPLES_AT_ONCE).missing)
    return missing
