"""TLS and credentials for Kafka and between gateways and workers; contradictory settings are refused."""

import ssl
from pathlib import Path
from typing import Any

import pytest
from faust.auth import SASLCredentials, SSLCredentials
from pydantic import SecretStr, ValidationError

from contracts.acls import Role, acls, users
from ecg_client import kafka
from ecg_client.errors import ClientError
from local_stack.certificates import Authority
from shared.kafka.clients import METADATA_MAX_AGE_MS, client_options
from shared.kafka.topics import Topics
from shared.settings import Settings
from stream_agents.faust_fixes.transport import credentials

USER = {"kafka_username": "ecg-gateway", "kafka_password": "of nobody's business"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


PLAINTEXT = {
    "bootstrap_servers": "127.0.0.1:9092",
    "security_protocol": "PLAINTEXT",
    "metadata_max_age_ms": METADATA_MAX_AGE_MS,
}


def settings(**values: Any) -> Settings:
    return Settings(secret=SecretStr("x" * 32), **values)


def test_the_default_protocol_is_plaintext() -> None:
    assert client_options(settings()) == PLAINTEXT
    assert credentials(settings()) is None


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_every_client_gets_user_password_and_mechanism(protocol: Any, mechanism: Any) -> None:
    chosen = settings(kafka_security_protocol=protocol, kafka_sasl_mechanism=mechanism, **USER)
    options = client_options(chosen)
    context = options.pop("ssl_context", None)
    assert (context is not None) == (protocol == "SASL_SSL")
    assert options == {
        **PLAINTEXT,
        "security_protocol": protocol,
        "sasl_mechanism": mechanism,
        "sasl_plain_username": "ecg-gateway",
        "sasl_plain_password": "of nobody's business",
    }
    fausts = credentials(chosen)
    assert isinstance(fausts, SASLCredentials)
    assert (fausts.protocol.value, fausts.mechanism.value) == (protocol, mechanism)
    assert (fausts.username, fausts.password) == ("ecg-gateway", "of nobody's business")
    assert fausts.ssl_context is context
    assert "nobody" not in f"{chosen!r} {chosen} {fausts!r}"


def test_only_the_named_authority_is_trusted(authority: Authority) -> None:
    cert, key = authority.issue("client")
    files = {"kafka_ca_file": authority.certificate, "kafka_cert_file": cert, "kafka_key_file": key}
    chosen = settings(kafka_security_protocol="SSL", **files)
    context = client_options(chosen)["ssl_context"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert [dict(sum(ca["subject"], ()))["commonName"] for ca in context.get_ca_certs()] == ["ecg-authority"]
    assert isinstance(credentials(chosen), SSLCredentials)


SASL, TLS = {"kafka_security_protocol": "SASL_SSL"}, {"kafka_security_protocol": "SSL"}


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        (SASL, "ECG_KAFKA_USERNAME and ECG_KAFKA_PASSWORD must be set, as ECG_KAFKA_SECURITY_PROTOCOL is SASL_SSL"),
        (SASL | {"kafka_username": "u"}, "ECG_KAFKA_PASSWORD must be set, as ECG_KAFKA_SECURITY_PROTOCOL is SASL_SSL"),
        (USER, "ECG_KAFKA_USERNAME and ECG_KAFKA_PASSWORD would not be used, as ECG_KAFKA_SECURITY_PROTOCOL is PLAINT"),
        (TLS | USER, "ECG_KAFKA_USERNAME and ECG_KAFKA_PASSWORD would not be used, as .* SSL: SASL_SSL logs in"),
        ({"kafka_ca_file": "ca.pem"}, "ECG_KAFKA_CA_FILE would not be used, as ECG_KAFKA_SECURITY_PROTOCOL is PLAINT"),
        (TLS | {"kafka_ca_file": "no.pem"}, r"ECG_KAFKA_CA_FILE cannot be read as PEM \(No such file or directory\)"),
        (TLS | {"kafka_ca_file": __file__}, r"ECG_KAFKA_CA_FILE cannot be read as PEM \(NO_CERTIFICATE"),
        (TLS | {"kafka_key_file": "k.pem"}, "ECG_KAFKA_CERT_FILE must be set, as the other one is"),
        (TLS | {"kafka_cert_file": "c.pem"}, "ECG_KAFKA_KEY_FILE must be set, as the other one is"),
        (TLS | {"kafka_cert_file": __file__, "kafka_key_file": __file__}, "ECG_KAFKA_CERT_FILE with ECG_KAFKA_KEY_FIL"),
        ({"kafka_security_protocol": "TLS"}, "kafka_security_protocol"),
        (SASL | {"kafka_sasl_mechanism": "GSSAPI"} | USER, "kafka_sasl_mechanism"),
        (
            SASL | USER | {"embedded_broker": True},
            "ECG_KAFKA_SECURITY_PROTOCOL is SASL_SSL: the embedded broker speaks",
        ),
        ({"internal_cert_file": "c.pem"}, "ECG_INTERNAL_CA_FILE and ECG_INTERNAL_KEY_FILE must be set, as the others"),
        (
            {"internal_ca_file": "a.pem", "internal_cert_file": "c.pem", "internal_key_file": "k.pem"},
            "ECG_INTERNAL_CA_FILE cannot be read as PEM",
        ),
    ],
)
def test_contradictory_settings_are_named_and_refused_without_showing_a_password(
    values: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValidationError, match=complaint) as error:
        settings(**values)
    assert "nobody" not in str(error.value)


def test_a_key_with_a_password_is_refused_without_a_prompt(authority: Authority, tmp_path: Path) -> None:
    cert, _ = authority.issue("locked")
    key = tmp_path / "locked.key"
    authority._openssl(
        "genpkey",
        "-algorithm",
        "EC",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-aes128",
        "-pass",
        "pass:p",
        "-out",
        str(key),
    )
    with pytest.raises(ValidationError, match="ECG_KAFKA_CERT_FILE with ECG_KAFKA_KEY_FILE cannot be read"):
        settings(kafka_security_protocol="SSL", kafka_cert_file=cert, kafka_key_file=key)


def test_empty_variables_count_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a line of `.env` that is not filled in."""
    unset = settings()
    for name in Settings.model_fields:
        monkeypatch.setenv(f"ECG_{name.upper()}", "")
    assert settings() == unset
    assert client_options(settings()) == PLAINTEXT


def test_the_command_line_names_missing_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECG_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("ECG_KAFKA_USERNAME", "ecg-operator")
    with pytest.raises(ClientError) as error:
        kafka.settings("127.0.0.1:9092")
    assert str(error.value) == "ECG_KAFKA_PASSWORD must be set, as ECG_KAFKA_SECURITY_PROTOCOL is SASL_SSL"


def test_no_role_has_a_permission_twice_or_one_outside_the_pipeline() -> None:
    chosen = settings(topic_prefix="clinic")
    names = {topic.name for topic in Topics(chosen)} | {"clinic-stream-agents"}
    for role in Role:
        granted = [(acl.resource, acl.name, acl.operation) for acl in acls(role, chosen)]
        assert len(set(granted)) == len(granted)
        assert {name for _, name, _ in granted} <= names
    assert users([(Role.WORKER, "w")]) == {
        "gateway": "ecg-gateway",
        "worker": "w",
        "producer": "ecg-producer",
        "reader": "ecg-reader",
        "operator": "ecg-operator",
    }
