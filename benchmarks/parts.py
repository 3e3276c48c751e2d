"""The pure steps of the pipeline, and alternatives to them, on one core."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import orjson
from aiokafka import codec

from benchmarks.ecgs import LARGE, SMALL, USERNAME, Size, bodies, windows
from benchmarks.machine import cores, pinned
from benchmarks.markdown import figure, number, ratio, table
from benchmarks.peers.plain_service import EcgIn
from benchmarks.peers.plain_service import zero_crossings as python_zero_crossings
from benchmarks.run import Figures, Run
from shared.ecg import Ecg, Lead, narrow
from shared.encoding import packed, plain
from shared.messages import insights
from shared.security.ids import IdIssuer
from stream_agents.insights import INSIGHTS
from stream_agents.insights.computation import compute
from stream_agents.insights.zero_crossings import count_zero_crossings

SIZES = (SMALL, LARGE)
CODECS: Mapping[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "none": (bytes, bytes),
    "lz4": (codec.lz4_encode, codec.lz4_decode),
    "zstd": (codec.zstd_encode, codec.zstd_decode),
    "gzip": (codec.gzip_encode, codec.gzip_decode),
    "snappy": (codec.snappy_encode, codec.snappy_decode),
}
_OURS = "ours: "
_ECG_ID = "00000000-0000-8000-8000-000000000000"


class _Lead(msgspec.Struct):
    name: str
    signal: list[int]


class _Ecg(msgspec.Struct):
    leads: list[_Lead]


_msgspec = msgspec.json.Decoder(_Ecg)


def _by_orjson(body: bytes) -> list[Any]:
    return [np.asarray(lead["signal"], np.int64) for lead in orjson.loads(body)["leads"]]


def _by_msgspec(body: bytes) -> list[Any]:
    return [np.asarray(lead.signal, np.int64) for lead in _msgspec.decode(body).leads]


def _by_pydantic(body: bytes) -> list[Any]:
    return [np.asarray(lead.signal, np.int64) for lead in EcgIn.model_validate_json(body).leads]


def _by_json(body: bytes) -> list[Any]:
    return [np.asarray(lead["signal"], np.int64) for lead in json.loads(body)["leads"]]


def _steps(size: Size) -> dict[str, dict[str, Callable[[], Any]]]:
    """Return the alternatives for every step; each call processes one ECG."""
    body, ecg = bodies(size)[0], Ecg(_ECG_ID, USERNAME, None, windows(size)[0])
    message, lists = packed.encode(ecg), [lead.signal.tolist() for lead in ecg.leads]
    row = insights.Insights(ecg.id, USERNAME, compute(ecg, [INSIGHTS["number_of_zero_crossings"]]).leads)
    issuer = IdIssuer("0" * 32)
    return {
        "parse JSON to arrays": {
            f"{_OURS}pysimdjson": lambda: plain.decode_content(body, only_known=True),
            "orjson": lambda: _by_orjson(body),
            "msgspec": lambda: _by_msgspec(body),
            "pydantic": lambda: _by_pydantic(body),
            "json": lambda: _by_json(body),
        },
        "encode a message": {
            f"{_OURS}packed": lambda: packed.encode(ecg),
            "JSON by orjson": lambda: plain.encode(ecg),
        },
        "decode a message": {
            f"{_OURS}packed": lambda: packed.decode(message),
        },
        "zero crossings": {
            f"{_OURS}NumPy": lambda: count_zero_crossings([lead.signal for lead in ecg.leads]),
            "Python": lambda: [python_zero_crossings(signal) for signal in lists],
        },
        "encode a row": {
            f"{_OURS}msgspec": lambda: insights.encode(row),
            "orjson": lambda: orjson.dumps({"ecg_id": row.ecg_id, "username": row.username, "leads": row.leads}),
        },
        "issue an id": {f"{_OURS}HMAC": lambda: issuer.issue(USERNAME)},
    }


def differences(leads: Sequence[Lead]) -> tuple[Lead, ...]:
    """Return the leads with every sample replaced by its difference from the previous one (delta encoding)."""
    wide = [(lead.name, lead.signal.astype(np.int64)) for lead in leads]
    return tuple(Lead(name, narrow(np.concatenate([signal[:1], signal[1:] - signal[:-1]]))) for name, signal in wide)


def sums(leads: Sequence[Lead]) -> tuple[Lead, ...]:
    """Return the leads that `differences` has encoded."""
    return tuple(Lead(lead.name, narrow(np.cumsum(lead.signal, dtype=np.int64))) for lead in leads)


def microseconds(function: Callable[[], Any], seconds: float) -> float:
    """Return the mean duration of a call in microseconds, measured for the given seconds."""
    function()
    calls, begun = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - begun) < seconds:
        function()
        calls += 1
    return 1e6 * elapsed / calls


async def run(run: Run) -> Figures:
    """Measure every alternative in turn, round by round."""
    figures = Figures()
    seconds = run.pick(0.2, 0.03)
    with pinned(cores()[0]):
        for i in range(run.pick(7, 3)):
            run.say(f"parts: round {i + 1}")
            for size in SIZES:
                for step, ways in _steps(size).items():
                    for way, function in ways.items():
                        figures.add(f"parts/{size}/{step}/{way}", microseconds(function, seconds))
                _compression(size, seconds, figures)
    return figures


def _compression(size: Size, seconds: float, figures: Figures) -> None:
    leads = windows(size)[0]
    deltas = differences(leads)
    encode_delta, decode_delta = (
        microseconds(partial(f, x), seconds) for f, x in ((differences, leads), (sums, deltas))
    )
    for kind, signals, there, back in (("plain", leads, 0.0, 0.0), ("delta", deltas, encode_delta, decode_delta)):
        message = packed.encode(Ecg(_ECG_ID, USERNAME, None, signals))
        for name, (encode, decode) in CODECS.items():
            key, encoded = f"parts/{size}/compression/{kind}/{name}", encode(message)
            figures.add(f"{key}/bytes", len(encoded) / (12 * size.samples))
            figures.add(f"{key}/encode", there + microseconds(partial(encode, message), seconds))
            figures.add(f"{key}/decode", back + microseconds(partial(decode, encoded), seconds))


def section(figures: Figures, _: Path) -> str:
    """Write the section of the report."""
    text = "## Parts\n\nMicroseconds for one ECG, on one core; the ratio is that to ours.\n\n"
    rows = []
    for step, ways in _steps(SMALL).items():
        ours = next(iter(ways))
        for way in ways:
            row = [f"{step}: {way}"]
            for size in SIZES:
                key = f"parts/{size}/{step}"
                row += [figure(figures.spread(f"{key}/{way}")), ratio(figures.ratio(f"{key}/{way}", f"{key}/{ours}"))]
            rows.append(row)
    text += table(["", *(column for size in SIZES for column in (str(size), "ratio"))], rows)
    text += """
Compression of a packed ECG by the codecs that Kafka knows, as the clients call them, and of its samples' differences;
bytes per sample, and microseconds for one ECG at the producer and at the consumer.

"""
    rows = []
    for kind in ("plain", "delta"):
        for name in CODECS:
            row = [name if kind == "plain" else f"delta, {name}"]
            for size in SIZES:
                key = f"parts/{size}/compression/{kind}/{name}"
                row.append(number(figures.spread(f"{key}/bytes").median))
                row += [figure(figures.spread(f"{key}/{side}")) for side in ("encode", "decode")]
            rows.append(row)
    columns = [column for size in SIZES for column in (f"{size}: bytes per sample", "encode", "decode")]
    return text + table(["", *columns], rows)
