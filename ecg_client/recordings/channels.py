"""The channels of a file, and the choice of those that are leads of an ECG."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ecg_client.recordings.missing import Ranges, count
from ecg_client.recordings.recording import Recording, UnreadableRecording
from ecg_client.recordings.units import is_other
from shared.ecg import Lead, Signal

# In EDF+, labels begin with the type of the signal (Kemp B., Olivan J., Clin Neurophysiol 114, 2003, standard texts).
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

    `samples`, shape (n,), are in ADC units with 0 at zero volts, and 0 in the `missing` ranges. `gain` is the number of
    ADC units per millivolt: negative if the file stores the signal upside down, None if unknown. `rate` is in Hz.
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
    """Return the recording of the channels that were chosen as leads; notes list everything left out or changed.

    Args:
        typed: names begin with the type of the signal, as in EDF+: `ECG II` is lead II.

    Raises:
        UnreadableRecording: if all samples of all channels are missing.
    """
    lines = list(notes)
    filled = [channel for channel in channels if count(channel.missing) < channel.samples.size]
    empty = ", ".join(channel.name for channel in channels if count(channel.missing) >= channel.samples.size)
    if not filled:
        raise UnreadableRecording(f"has no samples: all samples of {empty} are missing")
    if empty:
        lines.append(f"left out, because all of their samples are missing: {empty}")
    leads = tuple(_lead(channel, lines, typed) for channel in filled)
    rates = list(dict.fromkeys(channel.rate for channel in filled))
    if len(rates) > 1:
        each = ", ".join(f"{lead.name}: {_hertz(channel.rate)}" for lead, channel in zip(leads, filled, strict=True))
        lines.append(f"its leads have different sampling rates, so none is sent: {each}")
    return Recording(leads, date, tuple(lines), rates[0] if len(rates) == 1 else None)


def choose(
    names: Sequence[str], units: Sequence[str], wanted: Sequence[str], notes: list[str], *, typed: bool = False
) -> list[int]:
    """Return the positions of the channels that become leads; a note lists the others.

    Args:
        wanted: the names of the channels to choose; if empty, channels whose unit or name is not an ECG's are left out.
        typed: if any name begins with ECG, channels of other types are left out; `ECG II` may be chosen as `II`.

    Raises:
        UnreadableRecording: if no channel is a lead of an ECG, or a wanted channel does not exist.
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
        raise UnreadableRecording(f"has no ECG leads: {left_out}; to send a channel anyway, name it as a lead")
    if left_out:
        notes.append(f"left out, because they are not ECG leads: {left_out}")
    unknown = ", ".join(names[i] for i in chosen if not known[i])
    if any(known) and unknown:
        notes.append(f"read as leads, although their names are unknown: {unknown}")
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
    """Return True for the usual names of leads, and for names that begin with ECG."""
    return bool(_TYPED.match(name) or _LEAD.fullmatch(name))


def _lead(channel: Channel, lines: list[str], typed: bool) -> Lead:
    name = _untyped(channel.name) if typed else channel.name
    samples, gain = channel.samples, channel.gain
    if gain is not None and gain < 0:
        lines.append(f"{name}: is stored upside down, so its samples are negated")
        samples, gain = -samples, -gain
    if gain is None and is_other(channel.unit):
        lines.append(f"{name}: its unit is not a unit of voltage, so its gain is left out")
    if channel.missing:
        lines.append(f"{name}: {count(channel.missing)} missing samples became 0")
    return Lead(name, samples, gain, channel.missing)


def _hertz(rate: float | None) -> str:
    return "unknown" if rate is None else f"{number(rate)} Hz"


def number(value: float) -> str:
    """Return a number as text for a note: up to six decimals, without trailing zeros."""
    return f"{value:.6f}".rstrip("0").rstrip(".") if value < _MOST_SHOWN else "over 10^15"
