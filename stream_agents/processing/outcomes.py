"""The outcomes of a record: what to store, to send and to erase for it."""

from typing import TypeAlias

import msgspec

from shared.messages import insights
from shared.worker_protocol.listing import Position, position


class Stored(msgspec.Struct, frozen=True):
    """The record's insights, as a row of the table, and the position of the ECG in its owner's list.

    `failures` are the insights that raised an error, with the error's class.
    """

    key: bytes
    row: bytes
    username: str
    position: Position
    failures: dict[str, str] = {}

    @classmethod
    def of(cls, row: insights.Insights, failures: dict[str, str] | None = None) -> "Stored":
        """Return the outcome that stores this row.

        Raises:
            RowTooLarge: if the row is larger than its topic accepts.
        """
        return cls(row.ecg_id.encode(), insights.encode(row), row.username, position(row), failures or {})


class Erased(msgspec.Struct, frozen=True):
    """The ECG is erased: the row that remains, and the position in its owner's list that the ECG leaves."""

    key: bytes
    row: bytes
    username: str
    position: Position

    @classmethod
    def of(cls, row: insights.Insights, offset: int) -> "Erased":
        """Return the outcome of erasing a row by a record at an offset."""
        remains = insights.encode(insights.erased(row.ecg_id, offset))
        return cls(row.ecg_id.encode(), remains, row.username, position(row))


Row: TypeAlias = Stored | Erased
"""An outcome that the table stores."""


class UserErased(msgspec.Struct, frozen=True):
    """All of a user's ECGs before the record in its partition are to be erased."""

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
    stored: Row | None = None


Outcome: TypeAlias = Row | UserErased | Ignored | Misplaced | Rejected


def row_of(outcome: Outcome) -> Row | None:
    """Return the row of an outcome, or None if it has none."""
    if isinstance(outcome, Stored | Erased):
        return outcome
    return outcome.stored if isinstance(outcome, Rejected) else None
