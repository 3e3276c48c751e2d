"""The channels of a file, and the choice of those that are leads of an ECG."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ecg_client.recordings.missing import Ranges, count, joined
from ecg_client.recordings.recording import Recording, UnreadableRecording
from ecg_client.recordings.units import is_other
from shared.ecg import Lead, Signal

# In EDF+, labels begin with the type of the signal (Kemp B., Olivan J., Clin Neurophysiol 114, 2003, standard texts).
_TYPED = re.compile(r"(?:ECG|EKG)(?![a-z])", re.IGNORECASE | re.ASCII)
_TYPE = re.compile(r"(?:ECG|EKG)\s+(?=[a-z])", re.IGNORECASE | re.ASCII)
_LEAD = re.compile(
    r"(?:M?L?(?:I{1,3})|D(?:I{1,3}|[123])|-?aV[RLF]|V[1-9]R?|V|MCL[1-6]|C[MSCR][1-6]|MV[1-6]|ML?V[1-6]|v[xyz]|ES|AS|AI"
    r"|lead(?![a-z]|[ _-]*off).*)",
    re.IGNORECASE | re.ASCII,
)
_OTHER = re.compile(
    r"(?:abp|art|pap|cvp|icp|cpp|ibp|nibp|bp|pleth|ppg|spo2|sao2|resp(?:iration)?|rsp|impedance|eda|gsr|emg|eeg|eog"
    r"|temp(?:erature)?|acc(?:el(?:eration|erometer)?)?|gyro|status|trigger|marker|events?|hr|pulse|et ?co2|co2"
    r"|(?:air)?flow|battery|position|heart ?rate|rr|labels?|annotations?|class|target|quality|sqi|lead[ _-]*off"
    r"|[pqrst][ _-]?(?:peaks?|onsets?|offsets?))(?![a-z]).*",
    re.IGNORECASE | re.ASCII,
)
# What programs measure in an ECG, or write beside it, has names that begin with ECG too.
_ABOUT = re.compile(
    r"(?:ECG|EKG)[ _.-]*(?:time(?:[ _-]?stamps?)?|clock|date|index|rate|hr|heart|rr|hrv|phase|trigger|marker|events?"
    r"|labels?|annotations?|quality|sqi|status|impedance|temp(?:erature)?|lead[ _-]*off"
    r"|(?:[pqrst][ _-]?)?(?:peaks?|onsets?|offsets?))(?![a-z]).*",
    re.IGNORECASE | re.ASCII,
)

_MOST_SHOWN = 1e15
NO_SAMPLES: Signal = np.zeros(0, np.int8)
# Leads may begin late, but a broken start must not fill the memory.
_MOST_GROWTH = 64
_LEAST_LIMIT = 1 << 20


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


def delayed(channel: Channel, samples: int) -> Channel:
    """Return a channel that begins a number of samples after the recording: these are missing.

    Raises:
        UnreadableRecording: if they are far more than the channel has.
    """
    if samples > max(_LEAST_LIMIT, _MOST_GROWTH * channel.samples.size):
        raise UnreadableRecording(f"{channel.name}: begins far later than the recording")
    if samples <= 0:
        return channel
    return replace(
        channel,
        samples=np.concatenate([np.zeros(samples, channel.samples.dtype), channel.samples]),
        missing=joined([(0, samples), *((first + samples, length) for first, length in channel.missing)]),
    )


def recording_of(
    channels: Sequence[Channel], date: str | None = None, notes: Sequence[str] = (), *, typed: bool = False
) -> Recording:
    """Return the recording of the channels that were chosen as leads; notes list everything left out or changed.

    Args:
        typed: names begin with the type of the signal, as in EDF+: `ECG II` is lead II.

    Raises:
        UnreadableRecording: if all samples of all channels are missing.
    """
    sizes = [channel.samples.size for channel in channels]
    missing = [count(channel.missing) for channel in channels]
    kept, outline = outlined(channels, sizes, missing, date, notes, typed=typed)
    leads = tuple(filled(lead, channels[i]) for i, lead in zip(kept, outline.leads, strict=True))
    return replace(outline, leads=leads)


def outlined(
    channels: Sequence[Channel],
    sizes: Sequence[int],
    missing: Sequence[int],
    date: str | None,
    notes: Sequence[str],
    *,
    typed: bool,
) -> tuple[list[int], Recording]:
    """Return the positions of the channels with samples, and their recording as `recording_of` does, without samples.

    Args:
        channels: the channels; their samples and missing ranges are ignored.
        sizes: the number of samples of each channel.
        missing: the number of missing samples of each channel.

    Raises:
        UnreadableRecording: if all samples of all channels are missing.
    """
    lines = list(notes)
    kept = [i for i, size in enumerate(sizes) if missing[i] < size]
    empty = ", ".join(channel.name for i, channel in enumerate(channels) if missing[i] >= sizes[i])
    if not kept:
        raise UnreadableRecording(f"has no samples: all samples of {empty} are missing")
    if empty:
        lines.append(f"left out, because all of their samples are missing: {empty}")
    leads = tuple(_lead(channels[i], missing[i], lines, typed) for i in kept)
    each_rate = [channels[i].rate for i in kept]
    rates = list(dict.fromkeys(each_rate))
    if len(rates) > 1:
        each = ", ".join(f"{lead.name}: {_hertz(rate)}" for lead, rate in zip(leads, each_rate, strict=True))
        lines.append(f"its leads have different sampling rates, so none is sent: {each}")
    return kept, Recording(leads, date, tuple(lines), rates[0] if len(rates) == 1 else None)


def filled(lead: Lead, channel: Channel) -> Lead:
    """Return a lead without samples with those of its channel, negated if the file stores them upside down."""
    is_upside_down = channel.gain is not None and channel.gain < 0
    samples = -channel.samples if is_upside_down else channel.samples
    return Lead(lead.name, samples, lead.adc_gain, channel.missing)


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
        if known[i] or not (only_known or _OTHER.fullmatch(name) or _ABOUT.fullmatch(name) or is_other(units[i]))
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
    """Return True for the usual names of leads, and for names that begin with ECG, except `ECG rate` and the like."""
    return bool(_TYPED.match(name) and not _ABOUT.fullmatch(name)) or _LEAD.fullmatch(name) is not None


def _lead(channel: Channel, missing: int, lines: list[str], typed: bool) -> Lead:
    """Return the lead of a channel, without samples."""
    name, gain = _untyped(channel.name) if typed else channel.name, channel.gain
    if gain is not None and gain < 0:
        lines.append(f"{name}: is stored upside down, so its samples are negated")
        gain = -gain
    if gain is None and is_other(channel.unit):
        lines.append(f"{name}: its unit is not a unit of voltage, so its gain is left out")
    if missing:
        lines.append(f"{name}: {missing} missing samples became 0")
    return Lead(name, NO_SAMPLES, gain)


def _hertz(rate: float | None) -> str:
    return "unknown" if rate is None else f"{number(rate)} Hz"


def number(value: float) -> str:
    """Return a number as text for a note: up to six decimals, without trailing zeros."""
    return f"{value:.6f}".rstrip("0").rstrip(".") if value < _MOST_SHOWN else "over 10^15"
