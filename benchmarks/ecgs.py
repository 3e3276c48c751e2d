"""The ECGs of the benchmarks: windows of a real recording if it is there, or else of a synthetic one."""

import os
from dataclasses import dataclass
from functools import cache
from itertools import cycle, islice
from pathlib import Path

import msgspec
import numpy as np
import orjson
from numpy.typing import NDArray

from ecg_client import read
from ecg_client.synthesis import synthesise
from shared.ecg import Ecg, Lead, narrow
from shared.encoding import packed, plain
from shared.security.ids import IdIssuer

USERNAME = "benchmarks"
SAMPLING_RATE = 500.0
WINDOWS = 16
"""The number of different ECGs of each size."""

_ROOT = Path(__file__).parents[1]
_RECORD = "s0010_re"


@dataclass(frozen=True)
class Size:
    """Twelve leads of `samples` samples at 500 Hz."""

    samples: int

    def __str__(self) -> str:
        return f"12x{self.samples}"


SMALL, LARGE = Size(500), Size(5000)


def source() -> str:
    """Name the source of the signals."""
    return f"the PTB Diagnostic ECG Database's {_RECORD}, at 500 Hz" if _record().exists() else "synthetic"


@cache
def windows(size: Size) -> list[tuple[Lead, ...]]:
    """Return windows of the recording that begin at different times."""
    leads = _recording()
    length = leads[0][1].size
    starts = np.linspace(0, length - size.samples, WINDOWS).astype(int)
    return [tuple(Lead(name, narrow(signal[i : i + size.samples])) for name, signal in leads) for i in starts]


@cache
def seconds() -> list[tuple[Lead, ...]]:
    """Return the seconds of the recording, one after the other; the last is followed by the first again."""
    leads, rate = _recording(), int(SAMPLING_RATE)
    starts = range(0, leads[0][1].size - rate + 1, rate)
    return [tuple(Lead(name, narrow(signal[i : i + rate])) for name, signal in leads) for i in starts]


def bodies(size: Size) -> list[bytes]:
    """Return the bodies of submissions as JSON."""
    return [orjson.dumps({"leads": orjson.loads(plain.encode(_ecg("", leads)))["leads"]}) for leads in windows(size)]


def packed_bodies(size: Size) -> list[bytes]:
    """Return the same bodies in the packed encoding, without the id and the owner, which the gateway adds."""
    messages = [msgspec.msgpack.decode(packed.encode(_ecg("", leads))) for leads in windows(size)]
    return [msgspec.msgpack.encode({"leads": message["leads"]}) for message in messages]


def batches(count: int, size: Size) -> list[bytes]:
    """Return bodies that hold `count` of the packed bodies each."""
    return [msgspec.msgpack.encode([msgspec.Raw(body) for body in islice(cycle(packed_bodies(size)), count)])]


class Messages:
    """Submissions as they are on the topic, by number."""

    def __init__(self, size: Size, packed: bool, secret: str, sampling_rate: float | None = None) -> None:
        self._issuer = IdIssuer(secret)
        self._windows = windows(size)
        self._packed = packed
        self._sampling_rate = sampling_rate
        # Encoded once, because only the id differs between messages of one window.
        self._tails = [
            plain.encode(_ecg("", leads, sampling_rate)).removeprefix(b'{"id":""') for leads in self._windows
        ]

    def __call__(self, number: int) -> tuple[str, bytes]:
        """Return a new id, and the message for it."""
        ecg_id, window = self._issuer.issue(USERNAME), number % WINDOWS
        if self._packed:
            return ecg_id, packed.encode(_ecg(ecg_id, self._windows[window], self._sampling_rate))
        return ecg_id, b'{"id":"%b"' % ecg_id.encode() + self._tails[window]

    @property
    def headers(self) -> list[tuple[str, str | bytes | None]]:
        """The headers of each message."""
        return [("content-type", packed.CONTENT_TYPE.encode())] if self._packed else []


def _ecg(ecg_id: str, leads: tuple[Lead, ...], sampling_rate: float | None = None) -> Ecg:
    return Ecg(ecg_id, USERNAME, None, leads, sampling_rate)


@cache
def _recording() -> list[tuple[str, NDArray[np.int64]]]:
    if not _record().exists():
        return [(name, signal.astype(np.int64)) for name, signal in synthesise(seconds=38.4).items()]
    # Resampled from 1000 Hz to 500 Hz by the mean of every two samples.
    return [(lead.name, _halved(lead.signal.astype(np.int64))) for lead in read(_record()).leads]


def _halved(signal: NDArray[np.int64]) -> NDArray[np.int64]:
    pairs = signal[: signal.size // 2 * 2]
    return (pairs[::2] + pairs[1::2]) // 2


def _record() -> Path:
    folder = Path(os.environ.get("ECG_RECORDINGS", _ROOT.parent / "shared" / "data"))
    return folder / f"{_RECORD}.hea"
