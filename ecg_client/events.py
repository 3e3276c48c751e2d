"""The stream of events, for both clients: parsing it, and opening it again where it ended."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson

from ecg_client.errors import Unavailable, UnexpectedAnswer
from ecg_client.requests import Call
from ecg_client.results import Insights, parse_insights
from ecg_client.retries import OnOutage

_LONGEST_PAUSE = 5.0
# Names of the events of ECGs.
_OF_ECGS = {b"insights", b"failed"}


@dataclass(frozen=True, slots=True)
class Event:
    """A finished ECG, or the reason why it has no insights; a stream resumes after `id`.

    From a gateway's stream, `insights` hold the values of the leads, and `summary` the main measurements of the ECG:
    ask for its insights to get all of them.
    """

    id: str
    ecg_id: str
    insights: Insights | None = None
    error: str | None = None
    label: str | None = None
    summary: dict[str, Any] = field(default_factory=dict)


class Following:
    """The position in a stream that may be opened several times, and its failures since it was last open."""

    def __init__(self, token: str, last_id: str | None, retry_for: float, on_outage: OnOutage | None) -> None:
        self._token = token
        self._last_id = last_id
        self._retry_for = retry_for
        self._on_outage = on_outage
        self._failing_since: float | None = None
        self._failures = 0
        self._buffer = b""

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the request that opens the stream."""
        return {"x-user-token": self._token} | ({"last-event-id": self._last_id} if self._last_id else {})

    def opened(self, answer: httpx.Response) -> None:
        """Note that the stream is open; the body of an unsuccessful answer must have been read before.

        Raises:
            ClientError: the error that the answer states, if it is not a stream.
        """
        if not answer.is_success:
            Call[None]("GET", "/events", {}, {}).result(answer)
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            raise UnexpectedAnswer(f"{answer.url} does not answer with a stream of events")
        self._failing_since, self._failures, self._buffer = None, 0, b""

    def read(self, chunk: bytes) -> Iterator[Event]:
        """Yield the events that end in a chunk of the stream.

        Raises:
            UnexpectedAnswer: if the data of a block is not that of an event.
        """
        *blocks, self._buffer = (self._buffer + chunk).split(b"\n\n")
        for block in blocks:
            lines = (line.partition(b":") for line in block.split(b"\n"))
            fields = {name: value.removeprefix(b" ") for name, _, value in lines}
            last_id = fields.get(b"id", b"").decode()
            # A keep-alive without data carries an id too, from which to resume.
            self._last_id = last_id or self._last_id
            # Of recordings too, and others that a newer gateway may send.
            if b"data" in fields and fields.get(b"event") in _OF_ECGS:
                yield _event(last_id, fields[b"data"])

    def pause(self, error: Unavailable | None) -> float:
        """Return the seconds to wait before opening the stream again; `error` is None if it was open and ended.

        Raises:
            Unavailable: the error, if it has lasted too long.
        """
        if error is None:
            # When a gateway stops, all of its clients reconnect at once: spread them.
            return random.uniform(0, 0.5)  # noqa: S311 - no secret
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        self._failures += 1
        pause = error.retry_after
        if pause is None:
            pause = random.uniform(0, min(0.2 * 2**self._failures, _LONGEST_PAUSE))  # noqa: S311
        left = self._failing_since + self._retry_for - now
        if pause > left:
            raise error
        if self._on_outage is not None:
            self._on_outage(error, left)
        return pause


def _event(last_id: str, data: bytes) -> Event:
    try:
        document = orjson.loads(data)
        insights = parse_insights(document) if "leads" in document else None
        error = None if insights else document["detail"]
        return Event(last_id, document["ecg_id"], insights, error, document.get("label"), document.get("summary", {}))
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise UnexpectedAnswer("the stream contains an event that no gateway sends") from None
