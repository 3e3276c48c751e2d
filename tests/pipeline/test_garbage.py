"""Garbage in reference cycles: gateways look for it rarely, so that requests must leave none with their bodies."""

import json
import signal
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import numpy as np
import pytest_asyncio

from shared.encoding import packed
from tests.support.conditions import eventually
from tests.support.ecgs import insights
from tests.support.pipeline import Gateway, NewPipeline

# A gateway whose collector works on demand only, and writes how many objects it found.
GATEWAY = """
import gc
import os
import signal
from ingest_api.__main__ import main

def collect(*_):
    with open({found!r} + ".new", "w") as file:
        file.write(str(gc.collect()))
    os.rename({found!r} + ".new", {found!r})

gc.disable()
signal.signal(signal.SIGUSR1, collect)
main()
"""
PACKED, JSON = {"content-type": packed.CONTENT_TYPE}, {"content-type": "application/json"}
REQUESTS = 20


class Started(NamedTuple):
    gateway: Gateway
    client: httpx.AsyncClient
    found: Path
    ecg_id: str
    recording_id: str

    async def garbage(self) -> int:
        """Collect, and return how many unreachable objects there were."""
        self.gateway.signal(signal.SIGUSR1)

        async def read() -> int | None:
            return int(self.found.read_text()) if self.found.exists() else None

        found = await eventually(read, what="a collection")
        self.found.unlink()
        return found


@pytest_asyncio.fixture
async def started(new_pipeline: NewPipeline, tmp_path: Path) -> AsyncIterator[Started]:
    pipeline, found = new_pipeline(), tmp_path / "found"
    gateway = pipeline.start_gateway(GATEWAY.format(found=str(found)))
    pipeline.start_worker()
    await pipeline.ready()
    async with pipeline.client(token=await pipeline.register("clinic")) as client:
        ecg_id = (await client.post("/ecgs", content=ecg(10), headers=PACKED)).json()["id"]
        await insights(client, ecg_id)
        announcement = {"leads": [{"name": "I"}], "sampling_rate": 500}
        recording_id = (await client.post("/recordings", json=announcement)).json()["id"]
        yield Started(gateway, client, found, ecg_id, recording_id)


def leads(length: int, dtype: str = "int16") -> list[dict[str, Any]]:
    return [{"name": "I", "dtype": dtype, "signal": np.arange(length).astype("<i2").tobytes()}]


def ecg(length: int, dtype: str = "int16", **fields: Any) -> bytes:
    return msgspec.msgpack.encode({"leads": leads(length, dtype), **fields})


def batch(*entries: bytes) -> bytes:
    return msgspec.msgpack.encode([msgspec.Raw(entry) for entry in entries])


def as_json(*signal: Any) -> bytes:
    return json.dumps({"leads": [{"name": "I", "signal": signal}]}).encode()


def requests(ecg_id: str, recording_id: str) -> Iterator[tuple[int, tuple[str, str, bytes, dict[str, str]]]]:
    """Yield kinds of requests, with the status of the answer."""
    yield 201, ("POST", "/ecgs", as_json(*range(5000)), JSON)
    yield 201, ("POST", "/ecgs", ecg(5000), PACKED)
    yield 201, ("POST", "/ecgs", ecg(5000), PACKED | {"idempotency-key": "one"})
    yield 422, ("POST", "/ecgs", as_json(*range(5000), "x"), JSON)
    yield 422, ("POST", "/ecgs", as_json(*range(5000))[:-5], JSON)
    yield 422, ("POST", "/ecgs", ecg(5000, "int17"), PACKED)
    yield 415, ("POST", "/ecgs", ecg(5000), {"content-type": "text/plain"})
    yield 401, ("POST", "/ecgs", ecg(5000), PACKED | {"x-user-token": "wrong"})
    yield 200, ("POST", "/ecgs/batch", batch(ecg(5000), ecg(5000)), PACKED)
    yield 200, ("POST", "/ecgs/batch", batch(ecg(5000), ecg(5000, "int17"), ecg(5000, idempotency_key="")), PACKED)
    yield 422, ("POST", "/ecgs/batch", b"x" * 5000, PACKED)
    chunk, refused = (ecg(500, dtype, sampling_rate=500, first_sample=0) for dtype in ("int16", "int17"))
    yield 201, ("POST", f"/recordings/{recording_id}/chunks", chunk, PACKED)
    yield 422, ("POST", f"/recordings/{recording_id}/chunks", refused, PACKED)
    yield 404, ("POST", f"/recordings/{uuid.uuid4()}/chunks", chunk, PACKED)
    yield 200, ("GET", f"/ecgs/{ecg_id}/insights", b"", {})
    yield 200, ("GET", f"/ecgs/{ecg_id}", b"", {})
    yield 200, ("GET", f"/ecgs/{ecg_id}", b"", {"accept": packed.CONTENT_TYPE})
    yield 404, ("GET", f"/ecgs/{uuid.uuid4()}/insights", b"", {})
    yield 200, ("GET", "/ecgs", b"", {})
    yield 200, ("GET", f"/recordings/{recording_id}/signals?from=0&to=500", b"", {})


async def test_requests_leave_no_garbage_in_cycles(started: Started) -> None:
    for status, (method, path, body, headers) in requests(started.ecg_id, started.recording_id):
        # What the first one of its kind leaves does not count.
        for number in (1, REQUESTS):
            for _ in range(number):
                response = await started.client.request(method, path, content=body, headers=headers)
                assert response.status_code == status, response.text
            found = await started.garbage()
        # A cycle in each would be two objects at least; in between, the gateway's own clients may leave a few.
        assert found < REQUESTS, f"{method} {path}: {found} objects"
