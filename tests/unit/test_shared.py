"""Partitions, settings and internal authentication."""

import socket
from typing import Literal

import pytest
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from shared.internal import InternalAuth
from shared.kafka import partition_for, producer_options
from shared.settings import Settings


@given(st.binary(min_size=1, max_size=50), st.integers(1, 50))
def test_a_key_has_the_partition_that_producers_give_it(key: bytes, partitions: int) -> None:
    every = list(range(partitions))
    assert partition_for(key, partitions) == DefaultPartitioner()(key, every, every)


@pytest.mark.parametrize("key", [b"21", b"foobar", b"a-little-bit-long-string"])
def test_the_partition_is_that_of_javas_clients(key: bytes) -> None:
    """From the vectors of Apache Kafka's own test of murmur2: -973932308, -790332482, -985981536."""
    hashes = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}
    assert partition_for(key, 12) == (hashes[key] & 0x7FFFFFFF) % 12


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ECG_SECRET", raising=False)
    with pytest.raises(ValidationError, match="secret"):
        Settings()
    monkeypatch.setenv("ECG_SECRET", "x" * 32)
    monkeypatch.setenv("ECG_PARTITIONS", "24")
    assert Settings().partitions == 24
    assert "x" * 32 not in repr(Settings())


@pytest.mark.parametrize(("compression", "codec"), [("none", None), ("zstd", "zstd")])
def test_producers_compress_as_set(compression: Literal["none", "zstd"], codec: str | None) -> None:
    settings = Settings(secret=SecretStr("x" * 32), compression=compression)
    assert producer_options(settings)["compression_type"] == codec


def test_every_setting_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - nothing listens


@pytest.mark.parametrize(
    ("host", "public_host", "reached_at"),
    [
        ("127.0.0.1", None, "127.0.0.1"),
        (EVERY_ADDRESS, None, socket.gethostname()),
        ("::", None, socket.gethostname()),
        (EVERY_ADDRESS, "worker-7", "worker-7"),
    ],
)
def test_a_worker_that_listens_everywhere_is_reached_under_the_machines_name(
    host: str, public_host: str | None, reached_at: str
) -> None:
    settings = Settings(secret=SecretStr("x" * 32), worker_host=host, worker_public_host=public_host, worker_port=6066)
    assert settings.worker_url == f"http://{reached_at}:6066"


def test_workers_answer_gateways_of_their_own_deployment_only() -> None:
    auth = InternalAuth("one secret")
    assert auth.accepts(InternalAuth("one secret").token)
    assert not any(map(auth.accepts, (None, "", "é", InternalAuth("another secret").token)))
