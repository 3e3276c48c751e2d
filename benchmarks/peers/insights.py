"""The peers' insights, as a Python programmer would compute them with orjson, msgspec and NumPy."""

import os
from typing import Any

import msgspec
import numpy as np
import orjson
from numpy.typing import NDArray

SERVERS = os.environ["BENCH_SERVERS"]
TOPIC = os.environ["BENCH_TOPIC"]
GROUP = os.environ["BENCH_GROUP"]
PACKED = os.environ["BENCH_PACKED"] == "1"
DIRECTORY = os.environ["BENCH_DIR"]


def insights(value: bytes) -> dict[str, Any]:
    """Return the row for a message."""
    if PACKED:
        ecg = msgspec.msgpack.decode(value)
        signals = [np.frombuffer(lead["signal"], lead["dtype"]) for lead in ecg["leads"]]
    else:
        ecg = orjson.loads(value)
        signals = [np.asarray(lead["signal"], np.int64) for lead in ecg["leads"]]
    leads = [
        {"name": lead["name"], "number_of_zero_crossings": zero_crossings(signal)}
        for lead, signal in zip(ecg["leads"], signals, strict=True)
    ]
    return {"ecg_id": ecg["id"], "username": ecg["username"], "leads": leads}


def zero_crossings(signal: NDArray[Any]) -> int:
    """Count the changes of sign; a step away from zero does not count."""
    sign = np.sign(signal)
    return int(np.count_nonzero((sign[:-1] != sign[1:]) & (sign[:-1] != 0)))
