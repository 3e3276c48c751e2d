"""The offset that may be committed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_agents.faust_fixes.offsets import MessageLost, Offsets


def test_nothing_is_committed_before_something_is_stored() -> None:
    offsets: Offsets[str] = Offsets()
    offsets.fetched("p", [5, 6])
    assert offsets.next("p") is None
    offsets.stored("p", 0, 5, 5)
    assert offsets.next("p") == 6
    assert offsets.first_unstored() == {"p": 6}


def test_a_message_is_never_committed_past() -> None:
    offsets: Offsets[str] = Offsets()
    offsets.fetched("p", [5, 6, 7])
    offsets.stored("p", 0, 5, 5)
    with pytest.raises(MessageLost, match="p: 6 did not arrive before 7"):
        offsets.stored("p", 0, 7, 7)
    assert offsets.next("p") == 6


def test_gaps_between_fetched_offsets_are_not_losses() -> None:
    offsets: Offsets[str] = Offsets()
    offsets.fetched("p", [5, 9])
    offsets.stored("p", 0, 5, 5)
    offsets.stored("p", 0, 9, 9)
    assert offsets.next("p") == 10
    assert offsets.first_unstored() == {}


def test_messages_are_stored_together() -> None:
    offsets: Offsets[str] = Offsets()
    offsets.fetched("p", [5, 6, 9])
    offsets.stored("p", 0, 5, 9)
    assert (offsets.next("p"), offsets.first_unstored()) == (10, {})
    offsets.fetched("p", [10, 11, 12])
    with pytest.raises(MessageLost, match="p: 10 did not arrive before 11"):
        offsets.stored("p", 0, 11, 12)


def test_redelivered_messages_may_come_in_other_batches() -> None:
    offsets: Offsets[str] = Offsets()
    offsets.fetched("p", [0, 1, 2, 3])
    offsets.stored("p", 0, 0, 2)
    offsets.went_back("p")
    offsets.fetched("p", [0, 1])
    offsets.stored("p", 1, 0, 1)
    assert offsets.next("p") == 3
    offsets.fetched("p", [2, 3, 4, 5])
    offsets.stored("p", 1, 2, 5)
    assert (offsets.next("p"), offsets.first_unstored()) == (6, {})


def test_messages_of_an_earlier_turn_are_ignored() -> None:
    """They are fetched again: if they counted for this turn, messages that have not arrived would be skipped."""
    offsets: Offsets[str] = Offsets()
    offsets.fetched("p", [0, 1])
    offsets.went_back("p")
    offsets.fetched("p", [0, 1])
    offsets.stored("p", 0, 1, 1)
    assert (offsets.next("p"), offsets.first_unstored()) == (None, {"p": 0})
    offsets.stored("p", 1, 0, 1)
    assert offsets.next("p") == 2


def test_partitions_are_independent() -> None:
    offsets: Offsets[str] = Offsets()
    offsets.fetched("p", [0])
    offsets.fetched("q", [7])
    offsets.stored("q", 0, 7, 7)
    assert (offsets.next("p"), offsets.next("q")) == (None, 8)
    assert offsets.partitions() == ["q"]
    assert offsets.first_unstored() == {"p": 0}


def test_a_revoked_partition_starts_anew() -> None:
    offsets: Offsets[str] = Offsets()
    offsets.fetched("p", [0, 1])
    offsets.stored("p", 0, 0, 0)
    offsets.revoked("p")
    assert offsets.next("p") is None
    offsets.fetched("p", [0])
    offsets.stored("p", offsets.turn("p"), 0, 0)
    assert offsets.next("p") == 1


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
def test_going_back_at_any_time_loses_no_message_and_raises_no_error(first: int, arrived: int, stored: int) -> None:
    """Messages that were under way when the consumer went back still arrive, and then all are fetched again."""
    offsets: Offsets[str] = Offsets()
    offsets.fetched("p", range(first))
    offsets.went_back("p")
    for offset in range(min(arrived, first)):
        offsets.stored("p", 0, offset, offset)
    offsets.fetched("p", range(first + stored))
    for offset in range(first + stored):
        offsets.stored("p", 1, offset, offset)
    assert offsets.next("p") == (first + stored or None)
    assert offsets.first_unstored() == {}
