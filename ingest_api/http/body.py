"""Reading the body of a request within a limit."""

from collections.abc import Callable

from fastapi import Request
from starlette.requests import ClientDisconnect

from ingest_api.http.errors import TooLarge, Unprocessable, UnsupportedMediaType
from shared.encoding import plain
from shared.settings import MIB


def check_media_type(request: Request) -> None:
    """Check that the headers declare plain JSON, or no type at all.

    Raises:
        UnsupportedMediaType: if they declare another type or an encoding.
    """
    media_type = request.headers.get("content-type", plain.CONTENT_TYPE).partition(";")[0].strip().lower()
    if media_type != plain.CONTENT_TYPE:
        raise UnsupportedMediaType(f"content-type: must be {plain.CONTENT_TYPE}", field="content-type")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("content-encoding: must be identity", field="content-encoding")


def announced_length(request: Request, limit: int) -> int | None:
    """Return the body's announced length, or None if it comes in chunks.

    Raises:
        TooLarge: if it is over the limit.
    """
    length = request.headers.get("content-length")
    if length is None:
        return None
    if int(length) > limit:
        raise TooLarge(_over(limit))
    return int(length)


async def read_body(request: Request, limit: int, hold: Callable[[int], None] | None = None) -> bytes:
    """Return the body; `hold` is called with the size of each part before the next one is read.

    Raises:
        TooLarge: as soon as it is over the limit.
        Unprocessable: if the client disconnects before its end.
    """
    first, body = b"", bytearray()
    try:
        async for chunk in request.stream():
            size = len(first) + len(body) + len(chunk)
            if size > limit:
                raise TooLarge(_over(limit))
            if hold is not None:
                hold(len(chunk))
            if not first:
                first = chunk
            else:
                # Into one buffer: kept apart, many small parts would take many times their size.
                body += chunk
    except ClientDisconnect:
        raise Unprocessable("body: incomplete", field="body") from None
    return first + body if body else first


def _over(limit: int) -> str:
    return f"body: must not be over {limit} bytes ({limit / MIB:.1f} MiB): send a long recording in parts"
