"""Reading the body of a request within a limit."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from fastapi import Request
from starlette.requests import ClientDisconnect

from ingest_api.http.errors import TooLarge, Unprocessable, UnsupportedMediaType
from shared.encoding import media_type_of, plain
from shared.settings import MIB

_PART = 64 * 1024


class BodyLimit(NamedTuple):
    """The most bytes that a body may have, and what to do with a larger one, if there is anything."""

    size: int
    advice: str = ""

    @property
    def exceeded(self) -> str:
        """The reason why a larger body is refused."""
        mebibytes = f" ({self.size / MIB:.1f} MiB)" if self.size >= MIB else ""
        return f"body: must not be over {self.size} bytes{mebibytes}{self.advice and f': {self.advice}'}"


def check_media_type(request: Request, accepted: Sequence[str] = (plain.CONTENT_TYPE,)) -> str:
    """Return the media type that the headers declare, which is plain JSON if they declare none.

    Raises:
        UnsupportedMediaType: if they declare a type that is not accepted, or an encoding.
    """
    media_type = media_type_of(request.headers.get("content-type"))
    if media_type not in accepted:
        raise UnsupportedMediaType(f"content-type: must be {' or '.join(accepted)}", field="content-type")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("content-encoding: must be identity", field="content-encoding")
    return media_type


def announced_length(request: Request, limit: BodyLimit) -> int | None:
    """Return the body's announced length, or None if it comes in chunks.

    Raises:
        TooLarge: if it is over the limit.
    """
    length = request.headers.get("content-length")
    if length is None:
        return None
    if int(length) > limit.size:
        raise TooLarge(limit.exceeded)
    return int(length)


async def read_body(request: Request, limit: BodyLimit, hold: Callable[[int], None] | None = None) -> bytes:
    """Return the body; `hold` is called with the size of each part before the next one is read.

    Raises:
        TooLarge: as soon as it is over the limit.
        Unprocessable: if the client disconnects before its end.
    """
    first, size = b"", 0
    parts = list[bytearray]()
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit.size:
                raise TooLarge(limit.exceeded)
            if hold is not None:
                hold(len(chunk))
            if not first:
                first = chunk
            elif parts and len(parts[-1]) < _PART:
                # Kept apart, many small chunks would take many times their size.
                parts[-1] += chunk
            else:
                # A single buffer would be copied again and again as it grows.
                parts.append(bytearray(chunk))
    except ClientDisconnect:
        raise Unprocessable("body: incomplete", field="body") from None
    return b"".join((first, *parts)) if parts else first
