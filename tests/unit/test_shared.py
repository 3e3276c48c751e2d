"""Partitions, settings and internal authentication."""

import re
import secrets
import socket
import sys
from typing import Any, Literal

import pytest
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from contracts import acls
from ingest_api import __main__ as gateway
from ingest_api.users import tokens
from shared.kafka.clients import new_producer, partition_for, producer_options
from shared.settings import Settings, settings_or_exit
from shared.worker_protocol.auth import InternalAuth
from tests.support.paths import ROOT


@given(st.binary(min_size=1, max_size=50), st.integers(1, 50))
def test_a_key_has_the_partition_that_producers_give_it(key: bytes, partitions: int) -> None:
    every = list(range(partitions))
    assert partition_for(key, partitions) == DefaultPartitioner()(key, every, every)


@pytest.mark.parametrize("key", [b"21", b"foobar", b"a-little-bit-long-string"])
def test_the_partition_is_that_of_javas_clients(key: bytes) -> None:
    """The hashes are test vectors of Apache Kafka's own test of murmur2."""
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


def test_wrong_settings_are_named_by_their_variables_without_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ECG_SECRET", raising=False)
    monkeypatch.setenv("ECG_PARTITIONS", "dozens")
    monkeypatch.setenv("ECG_ADMIN_TOKEN", "correct-horse")
    with pytest.raises(SystemExit) as exited:
        settings_or_exit()
    assert sorted(str(exited.value).splitlines()) == [
        "ECG_ADMIN_TOKEN must have at least 32 characters: make one with `openssl rand -hex 32`",
        "ECG_PARTITIONS: Input should be a valid integer, unable to parse string as an integer",
        "ECG_SECRET must be set",
    ]


def test_a_gateway_without_an_admin_token_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECG_SECRET", "x" * 32)
    monkeypatch.delenv("ECG_ADMIN_TOKEN", raising=False)
    with pytest.raises(SystemExit, match=r"^ECG_ADMIN_TOKEN must be set$"):
        gateway.main()
    monkeypatch.setenv("ECG_ADMIN_TOKEN", "")
    with pytest.raises(SystemExit, match=r"^ECG_ADMIN_TOKEN must be set$"):
        gateway.main()


def test_permissions_are_printed_without_the_deployments_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ECG_SECRET", raising=False)
    monkeypatch.setattr(sys, "argv", ["acls"])
    acls.main()
    assert "--allow-principal User:ecg-gateway" in capsys.readouterr().out


def test_a_cluster_that_cannot_be_reached_gets_no_permissions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECG_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setattr(sys, "argv", ["acls", "--apply"])
    with pytest.raises(SystemExit, match=r"^the permissions cannot be granted: KafkaConnectionError"):
        acls.main()


@pytest.mark.parametrize(("compression", "codec"), [("none", None), ("zstd", "zstd")])
def test_producers_compress_as_set(compression: Literal["none", "zstd"], codec: str | None) -> None:
    settings = Settings(secret=SecretStr("x" * 32), compression=compression)
    assert producer_options(settings)["compression_type"] == codec


@pytest.mark.parametrize(("embedded", "expected"), [(False, 18), (True, 1)])
async def test_a_batch_holds_many_ecgs(embedded: bool, expected: int) -> None:
    """It is smaller than any topic's limit of a batch, 1 MiB."""
    producer = new_producer(Settings(secret=SecretStr("x" * 32), embedded_broker=embedded))
    batch, ecg = producer.create_batch(), bytes(14_000)
    while batch.append(timestamp=None, key=b"0" * 36, value=ecg):
        pass
    assert batch.record_count() == expected
    await producer.stop()


def test_every_setting_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def with_admin_token(token: str, **others: Any) -> Settings:
    return Settings(secret=SecretStr("x" * 32), admin_token=SecretStr(token), **others)


def test_a_random_admin_token_is_accepted() -> None:
    for token in (secrets.token_hex(16), secrets.token_hex(32), secrets.token_urlsafe(32), tokens.new()):
        settings = with_admin_token(token)
        assert settings.admin_token is not None
        assert settings.admin_token.get_secret_value() == token


EXAMPLES = [
    match[1]
    for name in (
        *("README.md", "docs/getting-started.md", "docs/http-api.md", "docs/cli.md"),
        *(".env.example", "docker-compose.yml", "local_stack/stack.py"),
    )
    for match in re.finditer(r"(?:ADMIN(?:_TOKEN)?=|x-admin-token: )([^\s'\"]+)", (ROOT / name).read_text())
]


@pytest.mark.parametrize(
    "token",
    [
        *("admin", "changeme", "x" * 31, "k3YvQ0p7ZrT1mWc9Xh5NbA2fLs8Dg", "a" * 64, "ab" * 20, "5d1c7e90a2f84b63" * 2),
        *("admin" * 7, "changeme-changeme-changeme-changem", "ChangeMe_ChangeMe_ChangeMe_ChangeMe!"),
        *("0123456789abcdef0123456789abcdef", "abcdefghijklmnopqrstuvwxyz0123456789", "1234567890" * 4),
        *("ecg-admin-token-please-change-this-1", "your-admin-token-goes-here-0123456789"),
        *("test-admin-token-0123456789-0123456789", "1111111111111111111111111111111112"),
        *EXAMPLES,
    ],
)
def test_an_admin_token_that_could_be_guessed_is_refused_and_not_shown(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECG_SECRET", "x" * 32)
    monkeypatch.setenv("ECG_ADMIN_TOKEN", token)
    with pytest.raises(ValidationError, match=r"ECG_ADMIN_TOKEN (must have at least 32|is an example)") as error:
        Settings()
    assert "input" not in str(error.value)
    assert len(token) < 6 or token not in str(error.value)
    assert Settings(embedded_broker=True).admin_token is not None


def test_proxies_are_addresses_and_networks() -> None:
    for proxies in ("", "127.0.0.1", "10.0.0.0/8, ::1,fd00::/8"):
        assert Settings(secret=SecretStr("x" * 32), trusted_proxies=proxies).trusted_proxies == proxies
    for proxies in ("*", "proxy", "10.0.0.1/8", "127.0.0.1;127.0.0.2", "127.0.0.1,*", "300.0.0.1"):
        with pytest.raises(ValidationError, match="ECG_TRUSTED_PROXIES"):
            Settings(secret=SecretStr("x" * 32), trusted_proxies=proxies)


def test_insights_are_those_that_exist() -> None:
    for names in ("all", "", "rhythm, quality"):
        assert Settings(secret=SecretStr("x" * 32), insights=names).insights == names
    with pytest.raises(ValidationError, match="ECG_INSIGHTS: 'rythm' is not an insight: choose from number_of_zero_cr"):
        Settings(secret=SecretStr("x" * 32), insights="rythm,quality")


def test_origins_have_no_path_and_no_wildcard() -> None:
    secret = SecretStr("x" * 32)
    for origins in ("", "https://viewer.example", "http://localhost:3000, https://a-b.example,http://[::1]:80"):
        assert Settings(secret=secret, cors_origins=origins).cors_origins == origins
    for origins in ("*", "null", "viewer.example", "https://viewer.example/", "https://*.example", "HTTPS://a.example"):
        with pytest.raises(ValidationError, match="ECG_CORS_ORIGINS must hold origins"):
            Settings(secret=secret, cors_origins=origins)


def test_origins_are_listed_as_they_were_checked() -> None:
    given = "http://localhost:3000, https://a.example ,, https://b.example,"
    settings = Settings(secret=SecretStr("x" * 32), cors_origins=given)
    assert settings.allowed_origins == ["http://localhost:3000", "https://a.example", "https://b.example"]
    assert Settings(secret=SecretStr("x" * 32), cors_origins=" ,").allowed_origins == []


def test_a_path_prefix_begins_with_a_slash_and_does_not_end_with_one() -> None:
    secret = SecretStr("x" * 32)
    for prefix in ("", "/cardio", "/clinic/cardio-2"):
        assert Settings(secret=secret, http_path_prefix=prefix).http_path_prefix == prefix
    for prefix in ("/", "cardio", "/cardio/", "/../x", '/"x', "/a b", "https://x"):
        with pytest.raises(ValidationError, match="http_path_prefix"):
            Settings(secret=secret, http_path_prefix=prefix)


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
