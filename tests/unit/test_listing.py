"""A user's list: merging the pages of several workers, and cursors."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_api.queries import answers
from ingest_api.queries.list_cursor import ListCursors
from shared.messages import insights
from shared.messages.insights import Insights
from shared.messages.recordings import Progress
from shared.worker_protocol.listing import Page, Position, merge, position
from stream_agents.table import owner_index

SECRET = "a secret of at least thirty-two characters"
_times = st.integers(0, 3) | st.integers(0, insights.MAX_ACCEPTED)
_ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._~:-]{0,8}", fullmatch=True)
_names = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=8)
_positions = st.builds(Position, _times, _ids)


def row(at: Position) -> Insights:
    return Insights(at.ecg_id, "u", accepted=at.accepted)


@given(st.dictionaries(_ids, st.tuples(_times, st.integers(0, 3))), st.integers(1, 5))
def test_pages_of_several_workers_are_one_list(held: dict[str, tuple[int, int]], limit: int) -> None:
    """Each worker may end its page early, and says that there is more."""
    everything = sorted((Position(time, ecg_id) for ecg_id, (time, _) in held.items()), key=lambda at: at.rank)

    def page(worker: int, after: Position | None) -> Page:
        own = [at for at in everything if held[at.ecg_id][1] == worker and (after is None or at.rank > after.rank)]
        # Worker 0 shows one row at most, worker 1 two, and so on.
        shown = own[: min(limit, worker + 1)]
        return Page([worker], [row(at) for at in shown], len(shown) < len(own))

    listed: list[Position] = []
    after = None
    while True:
        rows, more = merge([page(worker, after) for worker in range(4)], limit)
        assert len(rows) <= limit
        listed += [position(found) for found in rows]
        if not more:
            break
        assert rows
        after = listed[-1]
    assert listed == everything


@given(_names, _positions, _names, _positions)
def test_keys_of_the_index_are_in_the_order_of_the_list_and_keep_users_apart(
    name: str, one: Position, other_name: str, other: Position
) -> None:
    owner = owner_index.owner(name)
    assert (owner_index.key(owner, one) < owner_index.key(owner, other)) == (one.rank < other.rank)
    assert owner_index.key(owner, one).startswith(owner_index.owner(other_name)) == (name == other_name)
    assert not owner_index.key(owner, one).startswith(owner_index.owner(name, recordings=True))
    assert owner_index.ecg_id(owner_index.key(owner, one), owner) == one.ecg_id.encode()
    assert (owner_index.first_after(owner, one) <= owner_index.key(owner, other)) == (one.rank < other.rank)
    for found in (row(one), msgspec.structs.replace(row(one), recording=Progress(settled=3))):
        prefix = owner_index.owner("u", recordings=found.recording is not None)
        assert owner_index.key_of(insights.encode(found)) == owner_index.key(prefix, one)


@pytest.mark.parametrize("value", [b"", b"?", b"{}", b'{"ecg_id": "e", "username": "u", "accepted": -1}'])
def test_an_invalid_row_has_no_key(value: bytes) -> None:
    assert owner_index.key_of(value) is None


@given(_names, _positions)
def test_a_cursor_leads_back_to_its_place_on_every_gateway(name: str, at: Position) -> None:
    assert ListCursors(SECRET).open(name, ListCursors(SECRET).seal(name, at)) == at


@given(_names, _positions, st.text(max_size=60), _names)
def test_other_texts_and_foreign_cursors_are_refused(name: str, at: Position, text: str, other: str) -> None:
    cursor = ListCursors(SECRET).seal(name, at)
    for wrong in (text, cursor + text, cursor[: len(text)]):
        if wrong != cursor:
            with pytest.raises(ValueError):  # noqa: PT011 - whatever is wrong with it
                ListCursors(SECRET).open(name, wrong)
    for cursors, user in ((ListCursors(SECRET[::-1]), name), (ListCursors(SECRET), other + name)):
        with pytest.raises(ValueError, match="not a cursor of this user"):
            cursors.open(user, cursor)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_795_514_400_007, "2026-11-24T10:00:00.007Z"),
        (insights.MAX_ACCEPTED, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_times_are_formatted_to_the_millisecond(milliseconds: int, text: str) -> None:
    assert answers.instant(milliseconds) == text
