"""A gateway with the real page and canned recordings, for tests of the page with chosen answers."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from ingest_api.http.static_files import add_page
from shared.encoding import packed
from tests.support.heartbeats import digitised, regular, signals

TOKEN = "ecg_canned"
RATE = 100.0
# Ten seconds at 60 /min, again and again.
_TEN_SECONDS = digitised(signals(regular(1, 11, 0.4), RATE, 10))[:2]


@dataclass
class Canned:
    """The gateway's recording, the requests for it, and the refusals to answer with."""

    samples: int = round(24 * 3600 * RATE)
    complete_until: int | None = None
    final: bool = True
    revision: int = 0
    gaps: list[list[int]] = field(default_factory=list)
    beats: dict[str, Any] | None = None
    not_computed: dict[str, str] = field(default_factory=dict)
    refused: dict[str, Any] = field(default_factory=lambda: {"number": 0, "latest": []})
    label: str = "night"
    date: str | None = "2026-03-01T22:00:00Z"
    rates: dict[int, float] = field(default_factory=dict)
    erased: bool = False
    # The largest number of samples in an answer.
    most: int = 10**9
    # The answer to calls for signals in place of samples, and an event for which these answers wait.
    refusal: tuple[int, str] | None = None
    answering: asyncio.Event = field(default_factory=asyncio.Event)
    ranges: list[tuple[int, int]] = field(default_factory=list)
    minute_ranges: list[tuple[int, int]] = field(default_factory=list)
    abandoned: list[tuple[int, int]] = field(default_factory=list)
    streams: list[asyncio.Queue[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.answering.set()

    def reached(self) -> dict[str, Any]:
        """Return the fields that insights and events share."""
        until = self.samples if self.complete_until is None else self.complete_until
        return {
            "id": "holter",
            "label": self.label,
            "number_of_samples": self.samples,
            "complete_until": until,
            "final": self.final,
            "revision": self.revision,
        }

    def insights(self) -> dict[str, Any]:
        """Return the recording's insights."""
        leads = [{"name": n, "adc_gain": 1000.0, "number_of_zero_crossings": c} for n, c in (("I", 4711), ("II", 12))]
        return {
            **self.reached(),
            **{"username": "canned", "date": self.date, "accepted_at": "2026-03-02T08:00:00Z", "sampling_rate": RATE},
            **{"gaps": self.gaps, "refused": self.refused, "beats": self.beats, "leads": leads},
            "not_computed": self.not_computed,
        }

    def minutes(self, first: int, end: int) -> list[dict[str, Any]]:
        """Return minutes with a beat each second, but in gaps; `rates` has the rates of some."""
        found: list[dict[str, Any]] = []
        for minute in range(first, min(end, math.ceil(self.samples / RATE / 60))):
            rate = self.rates.get(minute, 60.0)
            beats = [round((minute * 60 + second + 0.43) * RATE) for second in range(60)]
            rates = {"mean_rate": rate, "least_rate": rate - 4, "most_rate": rate + 6}
            found.append({"minute": minute, "number_of_beats": 60, **rates, "beats": beats})
        return found

    def leads(self, first: int, end: int) -> list[dict[str, Any]]:
        """Return two leads as they are packed, with zeros in the gaps."""
        at = np.arange(first, end)
        missing = []
        present = np.ones(end - first, bool)
        for begin, count in self.gaps:
            start, stop = max(begin, first), min(begin + count, end)
            if start < stop:
                missing.append([start - first, stop - start])
                present[start - first : stop - first] = False
        rows = [np.where(present, row[at % row.size], 0).astype("<i2") for row in _TEN_SECONDS]
        given: dict[str, Any] = {"missing": missing} if missing else {}
        given |= {"dtype": "int16", "adc_gain": 1000.0}
        return [{"name": name, **given, "signal": row.tobytes()} for name, row in zip(("I", "II"), rows, strict=True)]

    def tell(self, event: str, document: dict[str, Any]) -> None:
        """Send an event on all open streams."""
        for stream in self.streams:
            stream.put_nowait(b"event: %b\ndata: %b\n\n" % (event.encode(), orjson.dumps(document)))

    def grow(self, samples: int) -> None:
        """Add samples, and send an event."""
        self.samples += samples
        self.tell("recording", self.reached())


def _app(canned: Canned) -> FastAPI:
    app = FastAPI()
    add_page(app, "")

    async def check(request: Request) -> None:
        if request.headers.get("x-user-token") != TOKEN:
            raise HTTPException(401, "Wrong token")

    signed_in = [Depends(check)]

    @app.get("/ecgs", dependencies=signed_in)
    async def ecgs() -> Any:
        return {"username": "canned", "ecgs": [], "next": None}

    @app.get("/recordings", dependencies=signed_in)
    async def recordings() -> Any:
        return {"username": "canned", "recordings": [] if canned.erased else [canned.insights()], "next": None}

    @app.get("/recordings/{recording_id}/insights", dependencies=signed_in)
    async def insights(recording_id: str) -> Any:
        found = recording_id == "holter" and not canned.erased
        return canned.insights() if found else JSONResponse({"detail": "Recording not found"}, 404)

    @app.get("/recordings/{recording_id}/minutes", dependencies=signed_in)
    async def minutes(request: Request) -> Any:
        first, end = int(request.query_params["from"]), int(request.query_params["to"])
        canned.minute_ranges.append((first, end))
        return {"id": "holter", "minutes": canned.minutes(first, end)}

    @app.get("/recordings/{recording_id}/signals", dependencies=signed_in)
    async def samples(request: Request) -> Response:
        first, end = int(request.query_params["from"]), int(request.query_params["to"])
        canned.ranges.append((first, end))
        while not canned.answering.is_set():
            if await request.is_disconnected():
                canned.abandoned.append((first, end))
                return Response(status_code=499)
            await asyncio.sleep(0.01)
        if canned.refusal is not None:
            # So that the page does not try again by itself before a test lets it.
            return JSONResponse({"detail": canned.refusal[1]}, canned.refusal[0], {"retry-after": "60"})
        if end - first > canned.most:
            return JSONResponse({"detail": f"to: must be at most {first + canned.most}", "field": "to"}, 422)
        document = {"id": "holter", "sampling_rate": RATE, "first_sample": first, "number_of_samples": end - first}
        body = packed.dumps({**document, "leads": canned.leads(first, end)})
        return Response(body, media_type=packed.CONTENT_TYPE)

    @app.delete("/recordings/{recording_id}", dependencies=signed_in)
    async def erase() -> Response:
        canned.erased = True
        return Response(status_code=204)

    @app.get("/events", dependencies=signed_in)
    async def events() -> StreamingResponse:
        queue: asyncio.Queue[bytes] = asyncio.Queue()

        async def told() -> AsyncIterator[bytes]:
            yield b": open\n\n"
            canned.streams.append(queue)
            try:
                while True:
                    yield await queue.get()
            finally:
                canned.streams.remove(queue)

        return StreamingResponse(told(), media_type="text/event-stream")

    return app


@asynccontextmanager
async def serving(canned: Canned) -> AsyncIterator[str]:
    """Serve the page with the canned recording; yields the address."""
    config = uvicorn.Config(_app(canned), host="127.0.0.1", port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    serve = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        await serve
