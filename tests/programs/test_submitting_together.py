"""Files that are read while others are sent share a request, and each gets its own outcome."""

import asyncio
from pathlib import Path

import pytest

from ecg_client import AsyncEcgClient, InvalidEcg, Recording, Unauthorized
from ecg_client.batch import Outcome, submitting
from tests.support.canned_gateway import canned_gateway

RECORDINGS = [Recording.of({"I": [number, -1]}) for number in range(5)]


async def test_what_waits_for_a_request_goes_in_the_next_one() -> None:
    with canned_gateway() as gateway:
        gateway.answer("POST /ecgs", 201, {"id": "first"})
        refused = {"status": 422, "detail": "leads: no", "field": "leads"}
        gateway.answer("POST /ecgs/batch", 200, {"ecgs": [{"id": "b"}, refused, {"id": "d"}, {"id": "e"}]})
        async with AsyncEcgClient(gateway.url, "token") as client:
            send = submitting(client)
            sent = (send(Outcome(Path(f"{number}")), recording) for number, recording in enumerate(RECORDINGS))
            outcomes = await asyncio.gather(*sent, return_exceptions=True)
    found = [outcome.ecg_id if isinstance(outcome, Outcome) else outcome for outcome in outcomes]
    assert [found[i] for i in (0, 1, 3, 4)] == ["first", "b", "d", "e"]
    assert isinstance(found[2], InvalidEcg)
    assert gateway.requests == ["POST /ecgs", "POST /ecgs/batch"]


@pytest.mark.parametrize("count", [1, 5])
async def test_an_error_of_a_request_is_that_of_every_file_in_it(count: int) -> None:
    with canned_gateway() as gateway:
        gateway.answer("POST /ecgs", 401, {"detail": "Invalid user token"})
        gateway.answer("POST /ecgs/batch", 401, {"detail": "Invalid user token"})
        async with AsyncEcgClient(gateway.url, "token") as client:
            send = submitting(client)
            sent = (send(Outcome(Path("file")), recording) for recording in RECORDINGS[:count])
            outcomes: list[Outcome | BaseException] = await asyncio.gather(*sent, return_exceptions=True)
    assert all(isinstance(outcome, Unauthorized) for outcome in outcomes)
