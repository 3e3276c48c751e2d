"""Which offset may be committed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_agents.offsets import MessageLost, Offsets


def test_nothing_is_committed_before_something_is_stored() -> None:
    offsets: Offsets[str] = Offsets()
    offsets.fetched("p", [5, 6])
    assert offsets.next("p") is None
    offsets.stored("p", 5)
    assert offsets.next("p") == 6
    assert offsets.first_unstored() == {"p": 6}


def test_a_message_is_never_committed_past() -> None:
    offsets: Offsets[str] = Offsets()
    offsets.fetched("p", [5, 6, 7])
    offsets.stored("p", 5)
    with pytest.raises(MessageLost, match="p: 6 did not arrive before 7"):
        offsets.stored("p", 7)
    assert offsets.next("p") == 6


def test_gaps_between_the_fetched_offsets_are_nobodys_loss() -> None:
    offsets: Offsets[str] = Offsets()
    offsets.fetched("p", [5, 9])
    offsets.stored("p", 5)
    offsets.stored("p", 9)
    assert offsets.next("p") == 10
    assert offsets.first_unstored() == {}


def test_partitions_are_apart() -> None:
    offsets: Offsets[str] = Offsets()
    offsets.fetched("p", [0])
    offsets.fetched("q", [7])
    offsets.stored("q", 7)
    assert (offsets.next("p"), offsets.next("q")) == (None, 8)
    assert offsets.partitions() == ["q"]
    assert offsets.first_unstored() == {"p": 0}


def test_a_revoked_partition_starts_anew() -> None:
    offsets: Offsets[str] = Offsets()
    offsets.fetched("p", [0, 1])
    offsets.stored("p", 0)
    offsets.revoked("p")
    assert offsets.next("p") is None
    offsets.fetched("p", [0])
    offsets.stored("p", 0)
    assert offsets.next("p") == 1


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
def test_going_back_at_any_time_loses_nothing_and_suspects_nothing(first: int, arrived: int, stored: int) -> None:
    """Messages that were under way when the consumer went back arrive, and then all come again."""
    offsets: Offsets[str] = Offsets()
    offsets.fetched("p", range(first))
    offsets.went_back("p")
    for offset in range(min(arrived, first)):
        offsets.stored("p", offset)
    offsets.fetched("p", range(first + stored))
    for offset in range(first + stored):
        offsets.stored("p", offset)
    assert offsets.next("p") == (first + stored or None)
    assert offsets.first_unstored() == {}
