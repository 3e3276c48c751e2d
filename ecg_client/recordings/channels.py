"""What a file holds, channel by channel, and which of its channels are the leads of an ECG."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ecg_client.recordings.missing import Ranges, count
from ecg_client.recordings.recording import Recording, UnreadableRecording
from ecg_client.recordings.units import is_other
from shared.ecg import Lead, Signal

# EDF+ has labels begin with the type of the signal (Kemp B., Olivan J., Clin Neurophysiol 114, 2003, standard texts).
_TYPED = re.compile(r"(?:ECG|EKG)(?![a-z])", re.IGNORECASE | re.ASCII)
_TYPE = re.compile(r"(?:ECG|EKG)\s+(?=[a-z])", re.IGNORECASE | re.ASCII)
_LEAD = re.compile(
    r"(?:M?L?(?:I{1,3})|D(?:I{1,3}|[123])|-?aV[RLF]|V[1-9]R?|V|MCL[1-6]|C[MSCR][1-6]|MV[1-6]|ML?V[1-6]|v[xyz]|ES|AS|AI"
    r"|lead(?![a-z]).*)",
    re.IGNORECASE | re.ASCII,
)
_OTHER = re.compile(
    r"(?:abp|art|pap|cvp|icp|cpp|ibp|nibp|bp|pleth|ppg|spo2|sao2|resp(?:iration)?|rsp|impedance|eda|gsr|emg|eeg|eog"
    r"|temp(?:erature)?|acc(?:el(?:eration|erometer)?)?|gyro|status|trigger|marker|events?|hr|pulse|et ?co2|co2"
    r"|(?:air)?flow|battery|position)(?![a-z]).*",
    re.IGNORECASE | re.ASCII,
)

_MOST_SHOWN = 1e15


@dataclass(frozen=True)
class Channel:
    """A channel of a file.

    `samples`, shape (n,), are in ADC units about zero volts, and 0 where `missing` says so. `gain` are the ADC units
    of one millivolt: negative where the file stores the signal upside down, None where it does not say. `rate` is in
    Hz.
    """

    name: str
    samples: Signal
    gain: float | None = None
    unit: str = ""
    rate: float | None = None
    missing: Ranges = ()


def recording_of(
    channels: Sequence[Channel], date: str | None = None, notes: Sequence[str] = (), *, typed: bool = False
) -> Recording:
    """Return the ECG of the channels that were chosen as leads, with notes of whatever is left out or changed.

    Args:
        typed: labels begin with the type of the signal, as EDF+ has it: `ECG II` is lead II.

    Raises:
        UnreadableRecording: if all samples of all channels are missing.
    """
    told = list(notes)
    filled = [channel for channel in channels if count(channel.missing) < channel.samples.size]
    empty = ", ".join(channel.name for channel in channels if count(channel.missing) >= channel.samples.size)
    if not filled:
        raise UnreadableRecording(f"holds no samples: all of {empty} are missing")
    if empty:
        told.append(f"left out, as all of their samples are missing: {empty}")
    leads = tuple(_lead(channel, told, typed) for channel in filled)
    rates = list(dict.fromkeys(channel.rate for channel in channels))
    if len(rates) > 1:
        each = ", ".join(f"{lead.name}: {_hertz(channel.rate)}" for lead, channel in zip(leads, filled, strict=True))
        told.append(f"its leads differ in their sampling rate, which is left out: {each}")
    return Recording(leads, date, tuple(told), rates[0] if len(rates) == 1 else None)


def choose(
    names: Sequence[str], units: Sequence[str], wanted: Sequence[str], notes: list[str], *, typed: bool = False
) -> list[int]:
    """Return the positions of the channels that become leads, and tell in the notes which do not.

    Args:
        wanted: names of those to choose; without it, those that are no ECG by their unit or name are left out.
        typed: where labels say which signals are ECGs, all others are left out; `ECG II` may be chosen as `II`.

    Raises:
        UnreadableRecording: if no channel is the lead of an ECG, or one that is wanted does not exist.
    """
    if wanted:
        return _wanted(names, wanted, typed)
    known = [is_lead_name(name) for name in names]
    only_known = typed and any(_TYPED.match(name) for name in names)
    chosen = [
        i
        for i, name in enumerate(names)
        if known[i] or not (only_known or _OTHER.fullmatch(name) or is_other(units[i]))
    ]
    left_out = ", ".join(name for i, name in enumerate(names) if i not in chosen)
    if not chosen:
        raise UnreadableRecording(f"holds no ECG: {left_out}; to send a channel all the same, choose it as a lead")
    if left_out:
        notes.append(f"left out, as they are no ECGs: {left_out}")
    unknown = ", ".join(names[i] for i in chosen if not known[i])
    if any(known) and unknown:
        notes.append(f"taken for leads, as nothing says what they are: {unknown}")
    return chosen


def _wanted(names: Sequence[str], wanted: Sequence[str], typed: bool) -> list[int]:
    positions: dict[int, None] = {}
    for name in wanted:
        found = [i for i, other in enumerate(names) if name in (other, _untyped(other) if typed else other)]
        if not found:
            raise UnreadableRecording(f"has no lead {name}: its channels are {', '.join(names)}")
        positions.update(dict.fromkeys(found))
    return list(positions)


def _untyped(label: str) -> str:
    return _TYPE.sub("", label, count=1)


def is_lead_name(name: str) -> bool:
    """Return True for the usual names of leads, and those that begin with ECG."""
    return bool(_TYPED.match(name) or _LEAD.fullmatch(name))


def _lead(channel: Channel, told: list[str], typed: bool) -> Lead:
    name = _untyped(channel.name) if typed else channel.name
    samples, gain = channel.samples, channel.gain
    if gain is not None and gain < 0:
        told.append(f"{name}: is stored upside down; its samples are negated")
        samples, gain = -samples, -gain
    if gain is None and is_other(channel.unit):
        told.append(f"{name}: its unit is none of volts, so its gain is left out")
    if channel.missing:
        told.append(f"{name}: {count(channel.missing)} missing samples became 0")
    return Lead(name, samples, gain, channel.missing)


def _hertz(rate: float | None) -> str:
    return "unknown" if rate is None else f"{number(rate)} Hz"


def number(value: float) -> str:
    """Return a number as notes show it: up to six decimals, without zeros at their end."""
    return f"{value:.6f}".rstrip("0").rstrip(".") if value < _MOST_SHOWN else "over 10^15"
