"""The shares of the workers: even, whatever they served before, and no partition moves without need."""

from faust.assignor.client_assignment import CopartitionedAssignment
from faust.assignor.copartitioned_assignor import CopartitionedAssignor
from hypothesis import given
from hypothesis import strategies as st

from stream_agents.faust_fixes.shares import EvenAssignor

PARTITIONS = 12


def assigned(
    assignor: type[CopartitionedAssignor], before: list[tuple[set[int], set[int]]], partitions: int, standbys: int
) -> list[tuple[set[int], set[int]]]:
    """Return what each worker serves and copies, given what it served and copied before."""
    workers = {str(i): CopartitionedAssignment(set(a), set(s) - a, {"t"}) for i, (a, s) in enumerate(before)}
    found = assignor(["t"], workers, partitions, standbys).get_assignment()
    return [(set(found[name].actives), set(found[name].standbys)) for name in workers]


def one_by_one(assignor: type[CopartitionedAssignor], workers: int) -> list[int]:
    """Return how many partitions each worker serves when they start one after the other."""
    shares: list[tuple[set[int], set[int]]] = []
    for _ in range(workers):
        shares = assigned(assignor, [*shares, (set(), set())], PARTITIONS, standbys=1)
    return sorted((len(actives) for actives, _ in shares), reverse=True)


def test_every_worker_that_is_added_gets_a_share() -> None:
    assert one_by_one(EvenAssignor, 5) == [3, 3, 2, 2, 2]
    assert one_by_one(EvenAssignor, 11) == [2] + [1] * 10
    assert one_by_one(EvenAssignor, 13) == [1] * 12 + [0]


def test_faust_still_needs_the_correction() -> None:
    assert one_by_one(CopartitionedAssignor, 5) == [3, 3, 3, 3, 0]


@st.composite
def groups(draw: st.DrawFn) -> tuple[list[tuple[set[int], set[int]]], int]:
    """Draw workers with what they served before, which two of them may both have done, and a number of partitions."""
    partitions = draw(st.integers(1, 24))
    some = st.sets(st.integers(0, partitions - 1))
    return draw(st.lists(st.tuples(some, some), min_size=1, max_size=9)), partitions


@given(groups(), st.integers(0, 2))
def test_each_partition_is_served_once_in_even_shares_and_stays_so(
    group: tuple[list[tuple[set[int], set[int]]], int], standbys: int
) -> None:
    before, partitions = group
    shares = assigned(EvenAssignor, before, partitions, standbys)
    everything = list(range(partitions))
    assert sorted(partition for actives, _ in shares for partition in actives) == everything
    counts = [len(actives) for actives, _ in shares]
    assert max(counts) - min(counts) <= 1
    copies = sorted(partition for _, copied in shares for partition in copied)
    assert copies == sorted(everything * min(standbys, len(before) - 1))
    assert all(actives.isdisjoint(copied) for actives, copied in shares)
    if standbys:
        assert [actives for actives, _ in assigned(EvenAssignor, shares, partitions, standbys)] == [
            actives for actives, _ in shares
        ]


@given(st.integers(1, 9), st.integers(1, 24))
def test_a_worker_that_joins_takes_its_share_and_nothing_else_moves(workers: int, partitions: int) -> None:
    before = assigned(EvenAssignor, [(set(), set())] * workers, partitions, 1)
    after = assigned(EvenAssignor, [*before, (set(), set())], partitions, 1)
    moved = sum(len(was - now) for (was, _), (now, _) in zip(before, after, strict=False))
    assert moved == len(after[-1][0])
