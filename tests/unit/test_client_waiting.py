"""The clients' waiting for insights: what an answer that knows no ECG means."""

from typing import Any

import pytest

from ecg_client.errors import NotFound, StillProcessing
from ecg_client.waiting import Waiting
from shared.security.ids import IdIssuer

ISSUED = IdIssuer("a-secret-of-at-least-32-characters").issue("clinic")
PRODUCED = "an-id-of-a-producer"
UNKNOWN = NotFound("ECG not found")


def waiting(ecg_id: str, timeout: float, *, submitted: bool) -> Waiting[Any]:
    def ask(*_: Any) -> Any:
        raise AssertionError

    return Waiting(ecg_id, timeout, ask, submitted=submitted)


def test_an_issued_id_that_is_unknown_stays_so() -> None:
    with pytest.raises(NotFound):
        waiting(ISSUED, 60, submitted=False).unknown(UNKNOWN)


@pytest.mark.parametrize(("ecg_id", "submitted"), [(PRODUCED, False), (ISSUED, True)], ids=["produced", "accepted"])
def test_another_one_may_become_known(ecg_id: str, *, submitted: bool) -> None:
    waiting(ecg_id, 60, submitted=submitted).unknown(UNKNOWN)


def test_at_the_deadline_one_that_was_accepted_is_still_processed_and_others_are_unknown() -> None:
    with pytest.raises(StillProcessing):
        waiting(ISSUED, 0, submitted=True).unknown(UNKNOWN)
    with pytest.raises(NotFound):
        waiting(PRODUCED, 0, submitted=False).unknown(UNKNOWN)
