"""Data keys: their users, the messages that they open, and their destruction."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.data_keys import DataKeys, KeyDestroyed
from shared.kafka.topics import Topics
from shared.security.sealing import OVERHEAD, Broken
from shared.settings import Settings

REGISTERED = datetime(2026, 11, 24, tzinfo=UTC)


def new_keys(secret: str = "s" * 32) -> DataKeys:
    settings = Settings.model_validate({"secret": secret})
    return DataKeys(settings, Topics(settings))


def made(keys: DataKeys, username: str = "u", registered_at: datetime = REGISTERED) -> str:
    """Make a key, as if it had been read from the topic."""
    key_id, record = keys.new(username, registered_at)
    keys._apply(key_id, record)
    return key_id


def test_a_message_is_opened_for_its_ecg_alone() -> None:
    keys = new_keys()
    key_id, other = made(keys), made(keys)
    sealed = keys.seal(key_id, "ecg-1", b"signal")
    assert len(sealed) == len(b"signal") + OVERHEAD
    assert sealed != keys.seal(key_id, "ecg-1", b"signal")
    assert b"signal" not in sealed
    assert keys.open(key_id, "ecg-1", sealed) == b"signal"
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for with_key, ecg_id, message in (
        (key_id, "ecg-2", sealed),
        (other, "ecg-1", sealed),
        (key_id, "ecg-1", changed),
        (key_id, "ecg-1", b""),
    ):
        with pytest.raises(Broken):
            keys.open(with_key, ecg_id, message)


def test_a_label_is_opened_as_the_label_of_its_ecg_alone() -> None:
    keys = new_keys()
    key_id = made(keys)
    sealed = keys.seal_label(key_id, "ecg-1", "rest.edf")
    assert b"rest" not in sealed
    assert keys.open_label(key_id, "ecg-1", sealed) == "rest.edf"
    with pytest.raises(Broken):
        keys.open_label(key_id, "ecg-2", sealed)
    with pytest.raises(Broken):
        keys.open(key_id, "ecg-1", sealed)
    with pytest.raises(Broken):
        keys.open_label(key_id, "ecg-1", keys.seal(key_id, "ecg-1", b"signal"))
    keys._apply(key_id, None)
    with pytest.raises(KeyDestroyed):
        keys.open_label(key_id, "ecg-1", sealed)


def test_a_destroyed_key_opens_nothing() -> None:
    keys = new_keys()
    key_id, stays = made(keys), made(keys)
    sealed = keys.seal(key_id, "e", b"signal")
    keys._apply(key_id, None)
    keys._apply(key_id, None)
    assert not keys.knows(key_id)
    assert keys.all_of("u") == [stays]
    with pytest.raises(KeyDestroyed):
        keys.open(key_id, "e", sealed)


def test_a_key_belongs_to_one_registration_of_a_name() -> None:
    keys = new_keys()
    before, now = made(keys), made(keys, registered_at=REGISTERED + timedelta(days=1))
    assert keys.of("u", REGISTERED) == [before]
    assert keys.of("u", REGISTERED + timedelta(days=1)) == [now]
    assert keys.of("somebody-else", REGISTERED) == []
    assert keys.all_of("u") == [before, now]


def test_the_topic_alone_opens_nothing() -> None:
    key_id, record = new_keys().new("u", REGISTERED)
    for name in (key_id, "another"):
        keys = new_keys("another secret of thirty-two letters") if name == key_id else new_keys()
        keys._apply(name, record)
        assert not keys.knows(name)
