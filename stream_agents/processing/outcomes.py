"""The outcomes of a record: what to store, to send and to erase for it."""

from typing import TypeAlias

import msgspec

from shared.messages import insights
from shared.worker_protocol.listing import Position, position


class Part(msgspec.Struct, frozen=True):
    """A row of a recording's part, such as a minute, with the offset of its record; None deletes the row."""

    key: bytes
    row: bytes | None
    offset: int


class Stored(msgspec.Struct, frozen=True):
    """The record's insights, as a row of the table, its offset, and its position in its owner's list.

    `failures` are the insights that raised an error, with the error's class. `parts` are rows to store before this one.
    """

    key: bytes
    row: bytes
    offset: int
    username: str
    position: Position
    is_recording: bool = False
    failures: dict[str, str] = {}
    parts: tuple[Part, ...] = ()

    @classmethod
    def of(
        cls, row: insights.Insights, failures: dict[str, str] | None = None, parts: tuple[Part, ...] = ()
    ) -> "Stored":
        """Return the outcome that stores this row.

        Raises:
            RowTooLarge: if the row is larger than its topic accepts.
        """
        return cls(row.ecg_id.encode(), insights.encode(row), row.offset, *_place(row), failures or {}, parts)


class Erased(msgspec.Struct, frozen=True):
    """The ECG or recording is erased: the row that remains, the offset of the erasure, and the freed position."""

    key: bytes
    row: bytes
    offset: int
    username: str
    position: Position
    is_recording: bool = False

    @classmethod
    def of(cls, row: insights.Insights, offset: int) -> "Erased":
        """Return the outcome of erasing a row by a record at an offset."""
        remains = insights.encode(insights.erased(row, offset))
        return cls(row.ecg_id.encode(), remains, offset, *_place(row))


Row: TypeAlias = Stored | Erased | Part
"""A row to store in the table."""


class UserErased(msgspec.Struct, frozen=True):
    """All of a user's ECGs, or recordings, before the record in its partition are to be erased."""

    username: str


class Ignored(msgspec.Struct, frozen=True):
    """The record changes nothing.

    A later record of its ECG was processed already, or it is an erasure of an ECG that is not known to be its user's.
    """


class Misplaced(msgspec.Struct, frozen=True):
    """The record is not in the partition of its ECG's id: its producer used another key or partitioner."""

    key: bytes


class Rejected(msgspec.Struct, frozen=True):
    """The record cannot be processed: it becomes a dead letter, and the owner, if known, gets a row with the reason."""

    error_class: str
    reason: str
    stored: Stored | Erased | None = None


Outcome: TypeAlias = Stored | Erased | UserErased | Ignored | Misplaced | Rejected


def row_of(outcome: Outcome) -> Stored | Erased | None:
    """Return the row of the ECG or recording in an outcome, or None if it has none."""
    if isinstance(outcome, Stored | Erased):
        return outcome
    return outcome.stored if isinstance(outcome, Rejected) else None


def _place(row: insights.Insights) -> tuple[str, Position, bool]:
    return row.username, position(row), row.is_recording
