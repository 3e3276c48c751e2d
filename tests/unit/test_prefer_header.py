"""The wait that a client asks for in a Prefer header (RFC 7240)."""

import pytest

from ingest_api.http.prefer_header import wait_seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([], 0),
        (["wait=10"], 10),
        (["wait=0"], 0),
        (["wait=30"], 30),
        (["wait=31"], 30),
        (["wait=999999999"], 30),
        (["Wait = 7"], 7),
        (['wait="7"'], 7),
        (["wait=7; strict"], 7),
        (["respond-async, wait=7"], 7),
        (["respond-async", "wait=7"], 7),
        (["wait=7", "wait=8"], 7),
        (['foo="a, wait=5, b", wait=7'], 7),
        (['foo="a\\", wait=5, b"; bar, wait=7'], 7),
        (["wait"], 0),
        (["wait="], 0),
        (["wait=-1"], 0),
        (["wait=1.5"], 0),
        (["wait=ten"], 0),
        (["wait=\u0661"], 0),
        (['wait="7'], 0),
        (["wait=7 8"], 0),
        (["await=7"], 0),
        (["wait=" + "9" * 5000], 0),
        ([',;="', "wait=7"], 7),
        (["wait=7", '"\\"' * 10_000], 0),
        ([",;, wait=7"], 7),
    ],
)
def test_the_first_wait_counts_and_malformed_ones_do_not(headers: list[str], seconds: int) -> None:
    assert wait_seconds(headers) == seconds
