"""The standard 12-lead ECG: its order, and the four leads that follow from I and II."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ecg_client.recordings.channels import Channel
from ecg_client.recordings.missing import Ranges, ranges_of

_ORDER = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
_STORED = frozenset({"I", "II", "V1", "V2", "V3", "V4", "V5", "V6"})


def in_order(channels: Sequence[Channel]) -> list[Channel]:
    """Return the leads of a 12-lead ECG in the usual order, and any other leads in the order of the file."""
    names = [channel.name for channel in channels]
    if len(set(names)) < len(names) or not set(names) <= set(_ORDER):
        return list(channels)
    return sorted(channels, key=lambda channel: _ORDER.index(channel.name))


def with_derived(channels: Sequence[Channel], notes: list[str]) -> list[Channel]:
    """Return the eight leads that some formats store, and the four leads derived from I and II; a note says so.

    III = II - I, aVR = -(I + II) / 2, aVL = I - II / 2, aVF = II - I / 2 (Einthoven, Goldberger). Nothing is rounded:
    the samples and the gain of the halved leads are doubled.
    """
    named = {channel.name: channel for channel in channels}
    if set(named) != _STORED or len(channels) != len(_STORED):
        return list(channels)
    one, two = named["I"], named["II"]
    if (one.gain, one.rate, one.samples.size) != (two.gain, two.rate, two.samples.size):
        return list(channels)
    first, second = one.samples.astype(np.int64), two.samples.astype(np.int64)
    missing = _either(one, two)
    known = replace(one, missing=missing)
    doubled = replace(known, gain=None if one.gain is None else 2 * one.gain)
    derived = [
        replace(known, name="III", samples=second - first),
        replace(doubled, name="aVR", samples=-(first + second)),
        replace(doubled, name="aVL", samples=2 * first - second),
        replace(doubled, name="aVF", samples=2 * second - first),
    ]
    for channel in derived:
        for start, length in missing:
            channel.samples[start : start + length] = 0
    notes.append("III, aVR, aVL and aVF are not in the file: they are derived from I and II")
    return [*channels, *derived]


def _either(one: Channel, other: Channel) -> Ranges:
    mask = np.zeros(one.samples.size, bool)
    for start, length in (*one.missing, *other.missing):
        mask[start : start + length] = True
    return ranges_of(mask)
