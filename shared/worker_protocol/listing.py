"""Queries of gateways to workers: a page of a user's ECGs in the worker's partitions, newest first."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from shared.messages.insights import Insights


class Position(NamedTuple):
    """The place of an ECG in its owner's list, which never changes."""

    accepted: int
    ecg_id: str

    @property
    def rank(self) -> tuple[int, str]:
        """The sort key of the list."""
        return -self.accepted, self.ecg_id


class Query(msgspec.Struct, frozen=True):
    """A request for a user's ECGs, or recordings, in some partitions: at most `limit` of them, after a position."""

    username: str
    partitions: list[int]
    limit: int
    after: Position | None = None
    recordings: bool = False


class Page(msgspec.Struct, frozen=True):
    """The first rows after a position, from the partitions that the worker knows; `more` if others follow."""

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
    """Return the position of a row in its owner's list."""
    return Position(row.accepted, row.ecg_id)


def encode_query(query: Query) -> bytes:
    """Encode a query as JSON."""
    return _encoder.encode(query)


def decode_query(body: bytes) -> Query:
    """Decode a query.

    Raises:
        msgspec.DecodeError: if the body is not a query.
    """
    return _query_decoder.decode(body)


def encode_page(partitions: Iterable[int], rows: Iterable[bytes], more: bool) -> bytes:
    """Encode a page of rows that are already encoded."""
    return _encoder.encode(_EncodedPage(list(partitions), [msgspec.Raw(row) for row in rows], more))


def decode_page(body: bytes) -> Page:
    """Decode a page.

    Raises:
        msgspec.DecodeError: if the body is not a page.
    """
    return _page_decoder.decode(body)


def merge(pages: Iterable[Page], limit: int) -> tuple[list[Insights], bool]:
    """Merge pages: return their first rows in order, and True if others follow."""
    pages = list(pages)
    rows = sorted((row for page in pages for row in page.rows), key=lambda row: position(row).rank)
    # An incomplete page misses rows after its last one: beyond the first such end, rows may be missing.
    cut = [position(page.rows[-1]).rank for page in pages if page.more]
    known = [row for row in rows if position(row).rank <= min(cut)] if cut else rows
    return known[:limit], bool(cut) or len(known) > limit
