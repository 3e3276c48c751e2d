"""Settings: one class, read from environment variables with the prefix `ECG_`."""

import socket
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.security import secret_strength, tls

MIB = 1024 * 1024

_ALL_ADDRESSES = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on


class Settings(BaseSettings):
    """Every knob of the gateway, the workers and the local stack."""

    # An error names the setting, and never shows what it was set to.
    model_config = SettingsConfigDict(env_prefix="ECG_", extra="ignore", hide_input_in_errors=True)

    bootstrap_servers: str = Field(
        default="127.0.0.1:9092", description="Kafka to use, HOST:PORT, several separated by commas."
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT",
        description="How Kafka is spoken to: SSL and SASL_SSL encrypt, and check the brokers' certificates; SASL_SSL "
        "and SASL_PLAINTEXT log in.",
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512", description="How to log in; PLAIN tells the broker the password itself."
    )
    kafka_username: str | None = Field(default=None, description="Kafka's user that this process is.")
    kafka_password: SecretStr | None = Field(default=None, description="The user's password.")
    kafka_ca_file: Path | None = Field(
        default=None,
        description="Certificates (PEM) of the authorities that may sign the brokers'; default: those of the system.",
    )
    kafka_cert_file: Path | None = Field(
        default=None, description="This process's own certificate (PEM), where the brokers ask for one."
    )
    kafka_key_file: Path | None = Field(
        default=None, description="The key of that certificate (PEM), without a password."
    )
    embedded_broker: bool = Field(
        default=False,
        description="Set by the local runner when the Kafka is its embedded broker, which cannot "
        "give a producer an id: producers are then not idempotent (duplicates on retry are harmless: "
        "every row is idempotent by ECG id).",
    )
    topic_prefix: str = Field(
        default="ecg",
        pattern=r"^[a-z0-9][a-z0-9_-]*$",
        description="First part of every topic's name and of the consumer group: several pipelines can "
        "share a cluster.",
    )
    partitions: int = Field(
        default=12,
        ge=1,
        description="Partitions of the topics for submissions, insights, dead letters and the audit: the upper bound "
        "of workers that share the load. Twelve divides evenly among 2, 3, 4, 6 and 12.",
    )
    replication_factor: int = Field(default=1, ge=1, description="Copies of every topic's data. Use 3 in production.")
    min_insync_replicas: int = Field(
        default=1,
        ge=1,
        description="Copies that must have a record before the broker acknowledges it. Use 2 with 3 "
        "copies: one broker can fail and nothing acknowledged is lost.",
    )
    submissions_retention_hours: int = Field(
        default=168,
        ge=1,
        description="How long a raw submission stays on its topic. A week bridges a long outage of the workers.",
    )
    dlq_retention_hours: int = Field(
        default=2160, ge=1, description="How long a dead letter stays, for somebody to look at it: 90 days."
    )
    erasure_hours: int = Field(
        default=24,
        ge=1,
        description="After so many hours what was erased is no longer on the disks of brokers and workers either. The "
        "submissions topic keeps it for its own time, unless ECG_ENCRYPT_SUBMISSIONS is on.",
    )
    encrypt_submissions: bool = Field(
        default=False,
        description="Gateways seal each submission with its user's data key, which is destroyed with the user: nothing "
        "of them on the submissions topic, its dead letters and any copy of these can then be read, from that moment.",
    )
    audit: bool = Field(
        default=True,
        description="Who submitted, read or erased which ECG goes to the topic `audit` before it is answered; where it "
        "cannot, the answer is 503. It costs a read a round trip to the broker.",
    )
    audit_retention_hours: int = Field(
        default=17_520,
        ge=1,
        description="How long the audit's records stay: two years, in which most reviews of who read what will fall. "
        "What the law asks for where you are may be longer.",
    )
    compression: Literal["none", "gzip", "lz4", "snappy", "zstd"] = Field(
        default="none",
        description="How producers compress what they send. Every codec costs more time than the pipeline has for an "
        "ECG otherwise; where disks and networks cost more, zstd makes the log of submissions a quarter smaller.",
    )
    secret: SecretStr = Field(
        default=...,
        min_length=32,
        description="The deployment's secret, at least 32 characters, the same for every gateway and worker and "
        "kept across restarts: ECG ids are signed with keys derived from it.",
    )
    admin_token: SecretStr | None = Field(
        default=None,
        description="The token that registers and deletes users; without it the gateway refuses to start, and with one "
        "that could be guessed too, unless the broker is embedded.",
    )
    token_staleness: float = Field(
        default=30.0,
        ge=1,
        description="Seconds for which a gateway that does not reach the broker still accepts the tokens it knows: "
        "the longest that a revoked one is accepted anywhere. A fail-over of the broker must fit into them.",
    )
    auth_failures_per_minute: int = Field(
        default=60,
        ge=0,
        description="Wrong tokens that a gateway process looks at a minute from one address, or from one /64 network "
        "of IPv6; more are answered 429. What is right is never limited. 0: no limit.",
    )
    quota_ecgs_per_minute: int = Field(
        default=0,
        ge=0,
        description="ECGs that a user may submit a minute through one gateway process, all of a minute's at once; more "
        "are answered 429. 0: no limit.",
    )
    quota_bytes_per_minute: int = Field(default=0, ge=0, description="Likewise, bytes of ECGs as JSON.")
    max_body_bytes: int = Field(
        default=16 * MIB, ge=1024, description="Largest accepted ECG as JSON; larger ones are answered 413."
    )
    max_inflight_bytes: int = Field(
        default=256 * MIB,
        ge=MIB,
        description="Bytes of submissions that one gateway process holds, from their arrival until the broker has "
        "them; beyond it new ones are answered 503, so that memory stays bounded in an outage.",
    )
    max_unread_bytes: int = Field(
        default=256 * MIB,
        ge=MIB,
        description="Bytes of answers that wait for their clients to read them; beyond it the connections of those who "
        "read slowest are ended.",
    )
    client_timeout: float = Field(
        default=20.0,
        gt=0,
        description="Seconds that a client has for a request's headers; in as many it must send 1 KiB a second of a "
        "body, and read as much of an answer. Who is slower is answered 408, or cut off: longer than a poor network "
        "falters, short enough that connections do not pile up.",
    )
    publish_timeout: float = Field(
        default=10.0, gt=0, description="Seconds until an unacknowledged submission is answered 503."
    )
    query_timeout: float = Field(
        default=3.0,
        gt=0,
        description="Seconds in which a query looks for the worker that owns the ECG before it is answered "
        "503: longer than a worker's hand-over, shorter than a client's patience.",
    )
    max_waits: int = Field(
        default=256,
        ge=0,
        description="Queries for which a gateway waits at a time, and that a worker holds; more are answered at once. "
        "Each takes two open files in a gateway, of which many systems allow a process 1024.",
    )
    max_streams: int = Field(default=256, ge=1, description="Streams of events that a gateway serves at a time.")
    max_streams_per_user: int = Field(
        default=32, ge=1, description="How many of them may be one user's, so that nobody takes them all."
    )
    keep_alive: float = Field(
        default=15.0,
        gt=0,
        description="Seconds without an event after which a stream gives a sign of life: less than proxies and clients "
        "wait for one.",
    )
    http_host: str = Field(default="127.0.0.1", description="Address that the gateway listens on.")
    http_port: int = Field(default=8000, ge=0, le=65535, description="Port that the gateway listens on.")
    trusted_proxies: str = Field(
        default="",
        description="Addresses and networks of the proxies in front of the gateway, separated by commas: what they say "
        "in `X-Forwarded-For` of a client's address is believed, and nobody else.",
    )
    http_shared: bool = Field(
        default=False,
        description="Several gateways listen on the port; the kernel (Linux) spreads connections over them.",
    )
    worker_host: str = Field(default="127.0.0.1", description="Address that a worker's query view listens on.")
    worker_port: int = Field(default=6066, ge=1, le=65535, description="Port of a worker's query view.")
    worker_public_host: str | None = Field(
        default=None,
        description="Host name under which gateways reach this worker; default: the listening address, or the "
        "machine's own name if that is every address.",
    )
    internal_cert_file: Path | None = Field(
        default=None,
        description="Certificate (PEM) of a gateway or worker. With the three of these set, in all of them, they speak "
        "TLS to each other, and only to whose certificate is signed by the authority.",
    )
    internal_key_file: Path | None = Field(default=None, description="Its key (PEM), without a password.")
    internal_ca_file: Path | None = Field(
        default=None, description="Certificate (PEM) of the authority that signed those of all gateways and workers."
    )
    session_timeout: float = Field(
        default=6.0,
        ge=0.5,
        description="Seconds without a heartbeat until a worker counts as dead. Six is the least that Apache "
        "Kafka's brokers allow by default, and so the shortest fail-over.",
    )
    batch_size: int = Field(
        default=128,
        ge=1,
        description="ECGs that a worker stores at a time at most. Batches are what has piled up, never waited for.",
    )
    table_memory_bytes: int = Field(
        default=64 * MIB,
        ge=8 * MIB,
        description="Memory of a worker's tables: what of their files is at hand, and what is not yet in one. "
        "Indexes and filters take some 8 MiB of it for a million ECGs.",
    )
    broker_port: int = Field(
        default=9092, ge=0, le=65535, description="Port of the broker that the local stack starts."
    )
    data_dir: Path = Field(
        default=Path("data"),
        description="Directory of the workers' tables (a cache of the changelog), and of all that the local "
        "stack keeps.",
    )
    metrics_host: str = Field(default="127.0.0.1", description="Address that the metrics are served on.")
    metrics_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Port of a process's own for its Prometheus metrics, never the public one; they are off unless "
        "it is set.",
    )
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least level logged.")
    log_format: str = Field(
        default="logfmt",
        pattern="^(json|logfmt)$",
        description="Form of the log's lines: `logfmt` for people, `json` for collectors; the image has `json`.",
    )
    access_log: bool = Field(
        default=False,
        description="A line for every request that a gateway answers, and every ECG that a worker has processed.",
    )

    @field_validator("admin_token")
    @classmethod
    def _hard_to_guess(cls, token: SecretStr | None, others: ValidationInfo) -> SecretStr | None:
        # What runs on the embedded broker is for trying out, and keeps nothing.
        if token is not None and not others.data.get("embedded_broker"):
            weakness = secret_strength.weakness(token.get_secret_value())
            if weakness is not None:
                raise ValueError(f"ECG_ADMIN_TOKEN {weakness}")
        return token

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, proxies: str) -> str:
        for proxy in filter(None, proxies.split(",")):
            try:
                ip_network(proxy.strip())
            except ValueError:
                raise ValueError("ECG_TRUSTED_PROXIES must hold IP addresses or networks (10.0.0.0/8) only") from None
        return proxies

    @field_validator(
        *("kafka_security_protocol", "kafka_sasl_mechanism", "kafka_username", "kafka_password"),
        *("kafka_ca_file", "kafka_cert_file", "kafka_key_file"),
        *("internal_ca_file", "internal_cert_file", "internal_key_file"),
        mode="before",
    )
    @classmethod
    def _set_or_not(cls, value: Any, field: ValidationInfo) -> Any:
        # Compose files and shells set what they do not have to nothing.
        return cls.model_fields[field.field_name or ""].default if value == "" else value

    @model_validator(mode="after")
    def _can_acknowledge(self) -> Self:
        if self.min_insync_replicas > self.replication_factor:
            raise ValueError(
                f"ECG_MIN_INSYNC_REPLICAS={self.min_insync_replicas} asks for more copies than there are with "
                f"ECG_REPLICATION_FACTOR={self.replication_factor}"
            )
        return self

    @model_validator(mode="after")
    def _suit_each_other(self) -> Self:
        protocol = self.kafka_security_protocol
        chosen = f"ECG_KAFKA_SECURITY_PROTOCOL is {protocol}"
        user = {"ECG_KAFKA_USERNAME": self.kafka_username, "ECG_KAFKA_PASSWORD": self.kafka_password}
        files = self.kafka_files
        cert = {"ECG_KAFKA_CERT_FILE": files.cert, "ECG_KAFKA_KEY_FILE": files.key}
        if self.embedded_broker and protocol != "PLAINTEXT":
            raise ValueError(f"{chosen}: the embedded broker speaks PLAINTEXT only")
        if self.kafka_logs_in:
            _all_or_raise(user, f"as {chosen}")
        else:
            # Somebody believes to be protected who is not.
            _none_or_raise(user, f"{chosen}: SASL_SSL logs in")
        if self.kafka_encrypts:
            if any(cert.values()):
                _all_or_raise(cert, "as the other one is")
            tls.client_context(files)
        else:
            _none_or_raise({"ECG_KAFKA_CA_FILE": files.ca, **cert}, f"{chosen}: SSL and SASL_SSL encrypt")
        return self

    @property
    def kafka_logs_in(self) -> bool:
        """Whether Kafka is told a user and a password."""
        return self.kafka_security_protocol.startswith("SASL")

    @property
    def kafka_encrypts(self) -> bool:
        """Whether Kafka is spoken to over TLS."""
        return self.kafka_security_protocol.endswith("SSL")

    @property
    def kafka_files(self) -> tls.Files:
        """The certificates for Kafka."""
        return tls.Files("ECG_KAFKA", self.kafka_ca_file, self.kafka_cert_file, self.kafka_key_file)

    @model_validator(mode="after")
    def _have_all_of_a_kind(self) -> Self:
        names = ("CA", "CERT", "KEY")
        files = (self.internal_ca_file, self.internal_cert_file, self.internal_key_file)
        if any(files):
            named = {f"ECG_INTERNAL_{name}_FILE": file for name, file in zip(names, files, strict=True)}
            _all_or_raise(named, "as the others are")
        if self.internal_files is not None:
            tls.client_context(self.internal_files)
        return self

    @property
    def internal_files(self) -> tls.Files | None:
        """The certificates for gateways and workers among themselves, if they have any."""
        if self.internal_cert_file is None:
            return None
        return tls.Files("ECG_INTERNAL", self.internal_ca_file, self.internal_cert_file, self.internal_key_file)

    @property
    def worker_name(self) -> str:
        """The host name under which gateways reach this worker."""
        listening = socket.gethostname() if self.worker_host in _ALL_ADDRESSES else self.worker_host
        return self.worker_public_host or listening

    @property
    def worker_url(self) -> str:
        """The URL under which gateways reach this worker."""
        return f"{'https' if self.internal_files else 'http'}://{self.worker_name}:{self.worker_port}"


def _all_or_raise(settings: dict[str, Any], reason: str) -> None:
    if missing := [name for name, value in settings.items() if value is None]:
        raise ValueError(f"{' and '.join(missing)} must be set, {reason}")


def _none_or_raise(settings: dict[str, Any], reason: str) -> None:
    if unused := [name for name, value in settings.items() if value is not None]:
        raise ValueError(f"{' and '.join(unused)} would not be used, as {reason}")
