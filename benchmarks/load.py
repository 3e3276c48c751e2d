"""The load generator, a process of its own: it sends prebuilt requests over raw connections in a closed or open loop.

`python -m benchmarks.load` reads a `Spec` as JSON from standard input and writes a `Result` as JSON. An open loop sends
on a schedule that no answer delays, and measures latencies from the scheduled time: a server that stalls is charged
for every request that had to wait, not only for the one that it was processing (no coordinated omission).
"""

import asyncio
import collections
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import msgspec
import uvloop

# Seconds to wait for answers after the last request. All times are from `time.monotonic`, because the clock of uvloop's
# loop has a resolution of a millisecond.
_GRACE = 2.0
# The pause between polls of late insights, as a share of the time waited so far.
_RESOLUTION = 0.05
_ACCEPTED, _DONE = 201, 200


class Follow(msgspec.Struct):
    """Poll the insights of up to `rate` new submissions a second, each every `interval` seconds.

    They are at `path`, below the submission's id.
    """

    rate: float
    interval: float
    headers: str
    path: str = "/ecgs"


class Pace(msgspec.Struct):
    """The targets, the connections and the duration; with a rate (requests per second) it is an open loop."""

    targets: list[tuple[str, int]]
    connections: int
    seconds: float
    warmup: float = 0.5
    rate: float | None = None
    follow: Follow | None = None


class Spec(Pace, kw_only=True):
    """A run with prebuilt requests, which are in the file `requests`."""

    requests: str


class Accepted(msgspec.Struct, frozen=True):
    """The answer to a submission: an ECG, or a chunk with samples from `first_sample` on."""

    id: str
    first_sample: int = 0
    number_of_samples: int = 0


class _Insights(msgspec.Struct):
    """The insights of an ECG, or of a recording as far as it has come."""

    complete_until: int = 0


_accepted = msgspec.json.Decoder(Accepted)
_insights = msgspec.json.Decoder(_Insights)


class Result(msgspec.Struct):
    """The result of a run; the counts and times leave out the warm-up, except for `started`, `sent` and `statuses`.

    `started` is a time of `time.monotonic`. `latencies` are milliseconds; they include the `unanswered` requests with
    the time waited for them so far, which is a lower bound.
    `fresh` are milliseconds from a submission's 201 to the 200 of insights that include it; they include the `stale`
    submissions, whose insights had not come in the end, with the time waited for them so far.
    """

    started: float
    seconds: float
    sent: int
    answered: int
    latencies: list[float]
    statuses: dict[int, int]
    unanswered: int
    fresh: list[float]
    stale: int


def schedule(rate: float, seconds: float) -> list[float]:
    """Return the times, in seconds from the start, at which an open loop sends."""
    return [i / rate for i in range(round(rate * seconds))]


class Connection(asyncio.Protocol):
    """An HTTP/1.1 connection with at most one request under way."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self.due: float | None = None
        self.asks_for: Accepted | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # a cast, because uvloop has a class of its own

    def send(self, request: bytes, due: float, asks_for: Accepted | None = None) -> None:
        """Send a request that is due at a time; `asks_for` is the submission whose insights it polls, if it does."""
        assert self._transport is not None  # noqa: S101 - connected
        self.due, self.asks_for = due, asks_for
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Take a piece of a response, which is complete after its Content-Length."""
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if len(body) >= int(length):
            self._buffer.clear()
            self._load.answered(self, int(head[9:12]), bytes(body))

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the loss to the load."""
        self._load.lost(self)

    def close(self) -> None:
        """Close the connection."""
        if self._transport:
            self._transport.close()


class Load:
    """One run of the generator."""

    def __init__(self, spec: Pace, requests: list[bytes]) -> None:
        self._spec = spec
        self._requests = requests
        self._loop = asyncio.get_running_loop()
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._waiting: collections.deque[tuple[bytes, float, Accepted | None]] = collections.deque()
        self._followed: dict[Accepted, float] = {}
        self._follow_next = 0.0
        self._open = self._opened = 0
        self._connecting: set[asyncio.Task[None]] = set()
        self._sent = 0
        self._statuses: collections.Counter[int] = collections.Counter()
        self._latencies: list[float] = []
        self._fresh: list[float] = []
        self._in_window = 0
        self._begin = self._end = 0.0
        self._stopping = False

    async def run(self) -> Result:
        """Send for the duration of the spec, and wait for the answers that are due, for two seconds at most."""
        for _ in range(self._spec.connections):
            await self._connect()
        started = time.monotonic()
        self._begin = time.monotonic() + self._spec.warmup
        self._end = self._begin + self._spec.seconds
        await (self._closed_loop() if self._spec.rate is None else self._open_loop(self._spec.rate))
        deadline = time.monotonic() + _GRACE
        while (  # noqa: ASYNC110 - all is answered, or the deadline
            self._followed or self._unanswered()
        ) and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        self._stopping = True
        for connection in [*self._busy, *self._idle]:
            connection.close()
        late = [due for due in self._unanswered() if due >= self._begin]
        now = time.monotonic()
        latencies = self._latencies + [1000 * (now - due) for due in late]
        return Result(
            started,
            self._spec.seconds,
            self._sent,
            self._in_window,
            latencies,
            dict(self._statuses),
            len(late),
            self._fresh + [1000 * (now - since) for since in self._followed.values()],
            len(self._followed),
        )

    def _unanswered(self) -> list[float]:
        """Return when the submissions without an answer were due."""
        sent = [connection.due for connection in self._busy if connection.asks_for is None]
        waiting = [due for _, due, asks_for in self._waiting if asks_for is None]
        return [due for due in sent if due is not None] + waiting

    async def _closed_loop(self) -> None:
        while self._idle:
            self._send_next(time.monotonic())
        await asyncio.sleep(self._end - time.monotonic())

    async def _open_loop(self, rate: float) -> None:
        start = time.monotonic()
        for offset in schedule(rate, self._spec.warmup + self._spec.seconds):
            # Timers have a resolution of a millisecond: the requests of one millisecond are sent together.
            if (delay := start + offset - time.monotonic()) > 0:
                await asyncio.sleep(delay)
            self._send_next(start + offset)

    async def _connect(self) -> None:
        host, port = self._spec.targets[self._opened % len(self._spec.targets)]
        self._opened += 1
        self._open += 1
        _, connection = await self._loop.create_connection(lambda: Connection(self), host, port)
        self._idle.append(connection)
        if self._waiting:
            self._dispatch(*self._waiting.popleft())

    def _send_next(self, due: float) -> None:
        request = self._requests[self._sent % len(self._requests)]
        self._sent += 1
        self._dispatch(request, due, None)

    def _dispatch(self, request: bytes, due: float, asks_for: Accepted | None) -> None:
        if not self._idle:
            self._waiting.append((request, due, asks_for))
            if self._open < self._spec.connections:
                task = self._loop.create_task(self._connect())
                self._connecting.add(task)
                task.add_done_callback(self._connecting.discard)
            return
        # The one used last, so that connections that are not needed stay idle.
        connection = self._idle.pop()
        self._busy.add(connection)
        connection.send(request, due, asks_for)

    def answered(self, connection: Connection, status: int, body: bytes) -> None:
        """Record an answer, and send the next request."""
        now, due, asks_for = time.monotonic(), connection.due, connection.asks_for
        assert due is not None  # noqa: S101 - it was sent
        self._busy.discard(connection)
        self._idle.append(connection)
        if asks_for is not None:
            self._poll_answered(asks_for, status, body, now)
        else:
            self._acknowledged(status, due, now, lambda: _accepted.decode(body))
        if self._waiting:
            self._dispatch(*self._waiting.popleft())
        elif self._spec.rate is None and asks_for is None and now < self._end:
            self._send_next(now)

    def _acknowledged(self, status: int, due: float, now: float, accepted: Callable[[], Accepted]) -> None:
        """Record the answer to a submission, and perhaps follow it; `accepted` reads what was accepted."""
        self._statuses[status] += 1
        if due >= self._begin:
            self._latencies.append(1000 * (now - due))
        self._in_window += self._begin <= now < self._end
        if status == _ACCEPTED and self._spec.follow and now >= max(self._follow_next, self._begin):
            self._follow_next = now + 1 / self._spec.follow.rate
            self._followed[followed := accepted()] = now
            self._poll(followed)

    def _poll(self, followed: Accepted) -> None:
        if self._stopping or self._spec.follow is None:
            return
        path, headers = self._spec.follow.path, self._spec.follow.headers
        request = f"GET {path}/{followed.id}/insights HTTP/1.1\r\n{headers}\r\n".encode()
        self._dispatch(request, time.monotonic(), followed)

    def _poll_answered(self, followed: Accepted, status: int, body: bytes, now: float) -> None:
        assert self._spec.follow is not None  # noqa: S101 - it was a poll
        end = followed.first_sample + followed.number_of_samples
        if status == _DONE and _insights.decode(body).complete_until >= end:
            self._fresh.append(1000 * (now - self._followed.pop(followed)))
        else:
            # Late insights are polled less often: otherwise the polls of many late ECGs would become a load themselves.
            pause = max(self._spec.follow.interval, _RESOLUTION * (now - self._followed[followed]))
            self._loop.call_later(pause, self._poll, followed)

    def lost(self, connection: Connection) -> None:
        """Record a closed connection: servers close idle ones. A request under way on it counts as status 0."""
        self._open -= 1
        if self._stopping:
            return
        if connection in self._busy:
            self._busy.remove(connection)
            self._statuses[0] += 1
        else:
            self._idle.remove(connection)


def build_get(path: str, token: str) -> bytes:
    """Return a GET request as bytes."""
    return f"GET {path} HTTP/1.1\r\n{headers(token)}\r\n".encode()


def build_post(path: str, token: str, body: bytes, content_type: str = "application/json") -> bytes:
    """Return a POST request as bytes."""
    head = f"content-type: {content_type}\r\ncontent-length: {len(body)}\r\n"
    return f"POST {path} HTTP/1.1\r\n{headers(token)}{head}\r\n".encode() + body


def headers(token: str) -> str:
    """Return the headers of every request."""
    return f"host: 127.0.0.1\r\nx-user-token: {token}\r\n"


async def _run(spec: Spec) -> Result:
    requests = msgspec.msgpack.decode(Path(spec.requests).read_bytes(), type=list[bytes])
    return await Load(spec, requests).run()


def main() -> None:
    """Run the spec from standard input."""
    spec = msgspec.json.decode(sys.stdin.buffer.read(), type=Spec)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(_run(spec))))


if __name__ == "__main__":
    main()
