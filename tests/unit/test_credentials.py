"""Where the token of a request is read, and what an answer without a valid one says."""

import pytest
from fastapi import Request
from starlette.datastructures import Headers

from ingest_api.http import errors
from ingest_api.http.errors import Unauthorized
from ingest_api.users.credentials import ADMIN_HEADER, USER_HEADER, token


def headers(*given: tuple[str, str]) -> Headers:
    return Headers(raw=[(name.encode(), value.encode("latin-1")) for name, value in given])


@pytest.mark.parametrize("header", [USER_HEADER, ADMIN_HEADER])
@pytest.mark.parametrize(
    ("own", "authorization", "expected"),
    [
        (None, None, ""),
        ("ecg_1", None, "ecg_1"),
        (None, "Bearer ecg_1", "ecg_1"),
        (None, "bearer  ecg_1 ", "ecg_1"),
        ("ecg_1", "Bearer ecg_1", "ecg_1"),
        ("", "Bearer ecg_1", "ecg_1"),
        ("ecg_1", "Bearer ", "ecg_1"),
        # A proxy's own.
        ("ecg_1", "Basic dXNlcjpwYXNz", "ecg_1"),
        (None, "Basic dXNlcjpwYXNz", ""),
        (None, "ecg_1", ""),
        (None, "Bearerecg_1", ""),
    ],
)
def test_a_token_is_read_from_its_own_header_or_as_a_bearer_token(
    header: str, own: str | None, authorization: str | None, expected: str
) -> None:
    given = [(name, value) for name, value in ((header, own), ("authorization", authorization)) if value is not None]
    assert token(headers(*given), header) == expected
    assert token(headers(("accept", "*/*"), *reversed(given)), header) == expected


@pytest.mark.parametrize(
    "given",
    [
        ((USER_HEADER, "ecg_1"), ("authorization", "Bearer ecg_2")),
        (("authorization", "Bearer ecg_2"), (USER_HEADER, "ecg_1")),
        ((USER_HEADER, "ecg_1"), (USER_HEADER, "ecg_2")),
    ],
)
def test_different_tokens_are_refused_without_being_shown(given: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(Unauthorized, match="carry different tokens") as refused:
        token(headers(*given), USER_HEADER)
    assert "ecg_" not in refused.value.detail


def test_the_tokens_of_user_and_administrator_may_differ() -> None:
    given = headers((USER_HEADER, "ecg_1"), (ADMIN_HEADER, "secret"))
    assert (token(given, USER_HEADER), token(given, ADMIN_HEADER)) == ("ecg_1", "secret")


async def test_a_401_names_the_scheme() -> None:
    answer = await errors.answer(Request({"type": "http"}), Unauthorized("Invalid user token"))
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
