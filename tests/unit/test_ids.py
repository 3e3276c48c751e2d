"""Issued ids prove their owner."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.security.ids import IdIssuer, is_issued, is_valid

ISSUER = IdIssuer("a secret of at least thirty-two characters")
owners = st.text(min_size=1, max_size=30)


@given(owners)
def test_an_issued_id_is_a_canonical_version_8_uuid_of_its_owner(owner: str) -> None:
    ecg_id = ISSUER.issue(owner)
    assert str(UUID(ecg_id)) == ecg_id
    assert UUID(ecg_id).version == 8
    assert UUID(ecg_id).variant == "specified in RFC 4122"
    assert is_issued(ecg_id)
    assert is_valid(ecg_id)
    assert IdIssuer("a secret of at least thirty-two characters").belongs(ecg_id, owner)


@given(owners, owners, st.booleans())
def test_an_id_tells_its_owner_alone_whether_it_is_that_of_a_recording(owner: str, other: str, recording: bool) -> None:
    for issued in (ISSUER.issue(owner, recording=recording), ISSUER.issue_once(owner, "k", b"", recording=recording)):
        assert ISSUER.belongs(issued, owner, recording=recording)
        assert not ISSUER.belongs(issued, owner, recording=not recording)
        assert ISSUER.belongs(issued, other, recording=recording) == (owner == other)


def test_ids_stay_the_same_from_version_to_version() -> None:
    for recording, issued in (
        (False, "ff97fea9-e740-86a2-8aab-0f81dc7d7f0a"),
        (True, "ff97fea9-e740-86a2-9110-25cd3b1e10eb"),
    ):
        assert ISSUER.issue_once("owner", "key", b"content", recording=recording) == issued
        assert ISSUER.belongs(issued, "owner", recording=recording)


@given(owners, owners)
def test_an_issued_id_belongs_to_nobody_else(owner: str, other: str) -> None:
    ecg_id = ISSUER.issue(owner)
    assert ISSUER.belongs(ecg_id, other) == (owner == other)
    assert not IdIssuer("another secret of at least thirty-two chars").belongs(ecg_id, owner)


@given(owners, st.integers(0, 127), st.booleans())
def test_no_bit_of_an_issued_id_can_be_changed(owner: str, bit: int, recording: bool) -> None:
    forged = UUID(int=UUID(ISSUER.issue(owner, recording=recording)).int ^ (1 << bit))
    assert not ISSUER.belongs(str(forged), owner, recording=recording)


def test_no_other_spelling_belongs() -> None:
    ecg_id = ISSUER.issue("u")
    others = (ecg_id.upper(), ecg_id.replace("-", ""), f"{{{ecg_id}}}", f" {ecg_id}", f"{ecg_id}\n", "", "x")
    assert not any(ISSUER.belongs(other, "u") for other in others if other != ecg_id)


def test_ids_do_not_repeat() -> None:
    assert len({ISSUER.issue("u") for _ in range(10_000)}) == 10_000


def test_an_id_of_a_producer_has_safe_characters_only() -> None:
    assert all(map(is_valid, ("a", "A.b_c~d:e-f", "0" * 128)))
    assert not any(map(is_valid, ("", "a" * 129, "-a", ".", "..", "a/b", "a b", "ä", "a\n", "a\x00")))


@given(owners, st.text(min_size=1, max_size=10), st.binary(max_size=10))
def test_the_same_key_and_content_of_an_owner_make_the_same_id(owner: str, key: str, content: bytes) -> None:
    ecg_id = ISSUER.issue_once(owner, key, content)
    assert ISSUER.belongs(ecg_id, owner)
    assert IdIssuer("a secret of at least thirty-two characters").issue_once(owner, key, content) == ecg_id
    others = ((owner + "x", key, content), (owner, key + "x", content), (owner, key, content + b"x"))
    assert all(ISSUER.issue_once(*other) != ecg_id for other in others)
    assert ISSUER.issue_once(owner + key, "", content) != ISSUER.issue_once(owner, key, content)
