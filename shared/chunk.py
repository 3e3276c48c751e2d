"""A chunk of a recording, and the limits of recordings."""

from typing import Any, Final

import msgspec

from shared.ecg import MAX_SAMPLING_RATE, Content, Ecg, cut
from shared.errors import InvalidEcg

MAX_LEADS: Final = 64
MAX_SECONDS: Final = 31 * 86_400.0


class Chunk(Ecg, frozen=True):
    """Samples of all leads of a recording, from its sample `first_sample` on. `id` is the recording's id.

    An announcement has leads without samples. In an `end`, `first_sample` is the recording's number of samples, and
    leads and sampling rate may be missing.
    """

    first_sample: int = 0
    end: bool = False

    @property
    def count(self) -> int:
        """The number of samples of each lead."""
        return self.leads[0].signal.size if self.leads else 0

    def piece(self, there: range) -> "Chunk":
        """Return a copy of the samples in a range within the chunk, so that the memory of the rest can be freed."""
        inside = range(there.start - self.first_sample, there.stop - self.first_sample)
        cuts = (cut(lead, inside) for lead in self.leads)
        leads = tuple(msgspec.structs.replace(lead, signal=lead.signal.copy()) for lead in cuts)
        return msgspec.structs.replace(self, first_sample=there.start, leads=leads)

    @classmethod
    def begun(
        cls, recording_id: str, username: str, content: Content, first_sample: int = 0, *, end: bool = False
    ) -> "Chunk":
        """Return the chunk with this content.

        Raises:
            InvalidEcg: if it breaks a limit of recordings.
        """
        check(content, first_sample, end=end)
        date, leads, rate, label = content.date, content.leads, content.sampling_rate, content.label
        return cls(recording_id, username, date, leads, rate, label, first_sample, end)


def check_first_sample(value: Any, field: str = "first_sample") -> int:
    """Return the value if it is a valid sample index or number of samples.

    Raises:
        InvalidEcg: if it is not an integer of 0 or more.
    """
    if type(value) is not int or value < 0:
        raise InvalidEcg(field, "must be a whole number of samples, 0 or more")
    return value


def check(content: Content, first_sample: int, *, end: bool) -> None:
    """Check the rules about a chunk as a whole: its leads and their lengths, its sampling rate and its place.

    Raises:
        InvalidEcg: if it has too many leads, leads of different lengths or no sampling rate; if it is an end with
            samples; or if it goes beyond the longest recording.
    """
    leads, rate = content.leads, content.sampling_rate
    if len(leads) > MAX_LEADS:
        raise InvalidEcg("leads", f"must hold at most {MAX_LEADS} leads in a recording, not {len(leads)}")
    if end and any(lead.signal.size for lead in leads):
        raise InvalidEcg("leads", "must hold no samples in the end of a recording: send them before it")
    if rate is None:
        if end:
            check_length(first_sample, MAX_SAMPLING_RATE)
            return
        raise InvalidEcg("sampling_rate", "must be given in a recording: the time of a sample is counted with it")
    count = leads[0].signal.size if leads else 0
    for i, lead in enumerate(leads):
        if lead.signal.size != count:
            raise InvalidEcg(f"leads[{i}].signal", f"must be as long as that of the first lead, {count} samples")
    if count == 0 and first_sample and not end:
        raise InvalidEcg("leads", "must hold samples, except in the announcement, whose first_sample is 0")
    check_length(first_sample + count, rate)


def check_length(samples: int, rate: float, field: str = "first_sample") -> None:
    """Check that a recording of at least this number of samples, at a sampling rate in Hz, is not too long.

    Raises:
        InvalidEcg: if it is longer than `MAX_SECONDS`.
    """
    if samples > rate * MAX_SECONDS:
        raise InvalidEcg(field, f"must lie within {MAX_SECONDS / 86_400:.0f} days, the longest recording")
