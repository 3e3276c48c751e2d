"""How a gateway asks a worker for a user's ECGs, newest first: a page of the partitions that the worker has."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from shared.messages.insights import Insights


class Position(NamedTuple):
    """Where an ECG is in its owner's list: it never moves."""

    accepted: int
    ecg_id: str

    @property
    def rank(self) -> tuple[int, str]:
        """What the list is sorted by."""
        return -self.accepted, self.ecg_id


class Query(msgspec.Struct, frozen=True):
    """Whose ECGs are asked for, in which partitions, how many at most, and after which position."""

    username: str
    partitions: list[int]
    limit: int
    after: Position | None = None


class Page(msgspec.Struct, frozen=True):
    """The first rows after a position, of those partitions that the worker knows; `more` if these are not all."""

    partitions: list[int]
    rows: list[Insights]
    more: bool


class _EncodedPage(msgspec.Struct, frozen=True):
    partitions: list[int]
    rows: list[msgspec.Raw]
    more: bool


_encoder = msgspec.json.Encoder()
_page_decoder = msgspec.json.Decoder(Page)
_query_decoder = msgspec.json.Decoder(Query)


def position(row: Insights) -> Position:
    """Return where a row is in its owner's list."""
    return Position(row.accepted, row.ecg_id)


def encode_query(query: Query) -> bytes:
    """Encode a query as JSON."""
    return _encoder.encode(query)


def decode_query(body: bytes) -> Query:
    """Decode a query.

    Raises:
        msgspec.DecodeError: if it is none.
    """
    return _query_decoder.decode(body)


def encode_page(partitions: Iterable[int], rows: Iterable[bytes], more: bool) -> bytes:
    """Encode a page of rows that are encoded already."""
    return _encoder.encode(_EncodedPage(list(partitions), [msgspec.Raw(row) for row in rows], more))


def decode_page(body: bytes) -> Page:
    """Decode a page.

    Raises:
        msgspec.DecodeError: if it is none.
    """
    return _page_decoder.decode(body)


def merge(pages: Iterable[Page], limit: int) -> tuple[list[Insights], bool]:
    """Return the first rows of several pages as one, and whether there are more."""
    pages = list(pages)
    rows = sorted((row for page in pages for row in page.rows), key=lambda row: position(row).rank)
    # What a page leaves out comes after its last row: beyond the first of these, rows may be missing.
    cut = [position(page.rows[-1]).rank for page in pages if page.more]
    known = [row for row in rows if position(row).rank <= min(cut)] if cut else rows
    return known[:limit], bool(cut) or len(known) > limit
