"""The heart rate of the last ten beats, from the positions of their QRS complexes."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from stream_agents.insights.beats import find_beats
from stream_agents.insights.contract import Insight, Needs
from stream_agents.insights.recording import Recording

_BEATS = 10


class LastBeats(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The heart rate at the end of the ECG."""

    last_heart_rate_bpm: Annotated[
        float | None,
        Meta(
            title="heart rate at the end", description="mean heart rate of the last ten beats", extra={"unit": "/min"}
        ),
    ] = None
    absent: Annotated[
        dict[str, str], Meta(title="absent", description="why a measurement is absent, by its field")
    ] = {}


def last_beats(recording: Recording) -> LastBeats:
    """Return the mean heart rate of the last ten beats."""
    positions = recording.once(find_beats).positions[-_BEATS:]
    if positions.size < _BEATS:
        return LastBeats(absent={"last_heart_rate_bpm": f"fewer than {_BEATS} beats"})
    seconds = (positions[-1] - positions[0]) / recording.sampling_rate
    return LastBeats(last_heart_rate_bpm=round(60 * (positions.size - 1) / float(seconds), 2))


INSIGHT: Final = Insight(
    name="last_beats",
    version=1,
    scope="ecg",
    needs=Needs(sampling_rate=100.0, seconds=1.0),
    result=LastBeats,
    compute=last_beats,
)
