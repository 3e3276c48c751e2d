"""Settings: one class, read from environment variables with the prefix `ECG_`."""

import re
import socket
import sys
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.messages.catalogue import catalogue, chosen
from shared.security import secret_strength, tls

MIB = 1024 * 1024
MAX_BODY_BYTES = 16 * MIB
"""The default of ECG_MAX_BODY_BYTES."""

UNUSED_SECRET: Final = "0" * 32
"""The secret of commands that neither sign nor seal anything: the setting is required."""

# As browsers send it: in lower case, and without a path.
_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::[0-9]{1,5})?")
_ALL_ADDRESSES = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on


class Settings(BaseSettings):
    """Every setting of the gateway, the workers and the local stack."""

    model_config = SettingsConfigDict(
        env_prefix="ECG_",
        # Compose files and shells set a variable without a value to the empty string.
        env_ignore_empty=True,
        extra="ignore",
        # An error names the setting, and never shows its value, which may be a secret.
        hide_input_in_errors=True,
    )

    bootstrap_servers: str = Field(
        default="127.0.0.1:9092", description="Addresses of Kafka brokers, HOST:PORT, separated by commas."
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT",
        description="Protocol of the connections to Kafka: SSL and SASL_SSL encrypt, and check the brokers' "
        "certificates; SASL_SSL and SASL_PLAINTEXT log in.",
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512", description="How to log in; PLAIN sends the broker the password itself."
    )
    kafka_username: str | None = Field(default=None, description="The Kafka user of this process.")
    kafka_password: SecretStr | None = Field(default=None, description="The Kafka user's password.")
    kafka_ca_file: Path | None = Field(
        default=None,
        description="Certificates (PEM) of the authorities that sign the brokers' certificates; default: the system's.",
    )
    kafka_cert_file: Path | None = Field(
        default=None, description="This process's own certificate (PEM), if the brokers ask for one."
    )
    kafka_key_file: Path | None = Field(
        default=None, description="The key of that certificate (PEM), without a password."
    )
    embedded_broker: bool = Field(
        default=False,
        description="Set by the local runner when it uses its embedded broker, which cannot give producers an id. "
        "Producers are then not idempotent; duplicates on retry are harmless, because rows are idempotent by ECG id.",
    )
    topic_prefix: str = Field(
        default="ecg",
        pattern=r"^[a-z0-9][a-z0-9_-]*$",
        description="First part of the names of all topics and of the consumer group, so that several pipelines can "
        "share a cluster.",
    )
    partitions: int = Field(
        default=12,
        ge=1,
        description="Partitions of the topics for submissions, chunks, insights, dead letters and audit: the largest "
        "number of workers that can share the load. Twelve divides evenly among 2, 3, 4, 6 and 12.",
    )
    replication_factor: int = Field(default=1, ge=1, description="Copies of every topic's data. Use 3 in production.")
    min_insync_replicas: int = Field(
        default=1,
        ge=1,
        description="Copies that must have a record before the broker acknowledges it. Use 2 with 3 copies: one broker "
        "can then fail without losing an acknowledged record.",
    )
    submissions_retention_hours: int = Field(
        default=168,
        ge=1,
        description="How long a submission, or a chunk of a recording, is kept on its topic. A week bridges a long "
        "outage of the workers.",
    )
    chunk_patience: float = Field(
        default=60.0,
        ge=0,
        description="Seconds to wait for a missing chunk of a recording after a later one has arrived. Then a gap is "
        "reported. A chunk that arrives for the gap is still used, and gives the insights a new revision.",
    )
    dlq_retention_hours: int = Field(
        default=2160, ge=1, description="How long a dead letter stays for inspection: 90 days."
    )
    erasure_hours: int = Field(
        default=24,
        ge=1,
        description="Hours after which erased data has also left the disks of brokers and workers. The topics of "
        "submissions and chunks keep it for ECG_SUBMISSIONS_RETENTION_HOURS; with ECG_ENCRYPT_SUBMISSIONS, nobody can "
        "read it there once its user is deleted.",
    )
    encrypt_submissions: bool = Field(
        default=False,
        description="Gateways seal each submission with its user's data key, which is destroyed with the user. From "
        "that moment, none of the user's ECGs on the submissions topic, in dead letters or in copies of them can be "
        "read.",
    )
    audit: bool = Field(
        default=True,
        description="Record on the topic `ecg.audit` who submitted, read or erased which ECG, before the request is "
        "answered. If that fails, the answer is 503. It costs each read a round trip to the broker.",
    )
    audit_retention_hours: int = Field(
        default=17_520,
        ge=1,
        description="How long audit records stay: two years, which covers most reviews of past access. Local law may "
        "require longer.",
    )
    compression: Literal["none", "gzip", "lz4", "snappy", "zstd"] = Field(
        default="none",
        description="How producers compress records. Every codec takes longer than all other work on an ECG. If disks "
        "and networks cost more than that, zstd makes the log of submissions a quarter smaller.",
    )
    secret: SecretStr = Field(
        default=...,
        min_length=32,
        description="The deployment's secret, at least 32 characters, the same for all gateways and workers and kept "
        "across restarts, because keys derived from it sign ECG ids and wrap data keys.",
    )
    admin_token: SecretStr | None = Field(
        default=None,
        description="The token that registers and deletes users. The gateway does not start without one or, unless the "
        "broker is embedded, with one that could be guessed.",
    )
    token_staleness: float = Field(
        default=30.0,
        ge=1,
        description="Seconds for which a gateway without a connection to the broker still accepts the tokens it knows, "
        "and so the longest time that a revoked token is accepted anywhere. It must exceed a fail-over of the broker.",
    )
    auth_failures_per_minute: int = Field(
        default=60,
        ge=0,
        description="Wrong tokens per minute that a gateway process checks from one address, or one /64 network of "
        "IPv6; more get 429. Valid tokens are never limited. 0: no limit.",
    )
    quota_ecgs_per_minute: int = Field(
        default=0,
        ge=0,
        description="ECGs per minute that a user may submit through one gateway process, possibly in one burst; more "
        "get 429. A chunk of a recording counts as an ECG. 0: no limit.",
    )
    quota_bytes_per_minute: int = Field(default=0, ge=0, description="The same limit in bytes of bodies.")
    max_body_bytes: int = Field(
        default=MAX_BODY_BYTES,
        ge=1024,
        description="Largest accepted body of an ECG, a batch or a chunk, JSON or packed; larger ones get 413.",
    )
    max_inflight_bytes: int = Field(
        default=256 * MIB,
        ge=MIB,
        description="Bytes of submissions that one gateway process holds, from their arrival until the broker has "
        "them; beyond it new submissions get 503, so that memory stays bounded in an outage.",
    )
    max_unread_bytes: int = Field(
        default=256 * MIB,
        ge=MIB,
        description="Bytes of answers that wait for their clients to read them; beyond it the gateway ends the "
        "connections of the slowest readers.",
    )
    client_timeout: float = Field(
        default=20.0,
        gt=0,
        description="Seconds that a client has for a request's headers, and over which it must average 1 KiB per "
        "second when it sends a body or reads an answer. Slower clients get 408 or are cut off. It is longer than the "
        "gaps of a poor network, and short enough that connections do not pile up.",
    )
    publish_timeout: float = Field(
        default=10.0,
        gt=0,
        description="Seconds after which a submission, an erasure, or a new or deleted user gets 503 if the broker has "
        "not acknowledged it. Keep it below the time that a stopping proxy leaves to requests under way.",
    )
    query_timeout: float = Field(
        default=3.0,
        gt=0,
        description="Seconds for which a query looks for the worker that owns the ECG's partition before it gets 503: "
        "longer than a worker's hand-over, shorter than a client's patience. It also limits the waits for the "
        "acknowledgement of an audit record, for signals, data keys, and lists of users and audit records (503), and "
        "for an erasure to be carried out (202).",
    )
    max_waits: int = Field(
        default=256,
        ge=0,
        description="Queries that may wait for their ECG at a time, in a gateway and in a worker; more are answered at "
        "once. Each takes two open files in a gateway, and many systems allow a process 1024.",
    )
    max_streams: int = Field(
        default=256,
        ge=1,
        description="Event streams that a gateway serves at a time; more get 503, because another gateway may have "
        "room. Each takes an open file.",
    )
    max_streams_per_user: int = Field(
        default=32,
        ge=1,
        description="Event streams that one user may have on a gateway, so that nobody takes them all.",
    )
    keep_alive: float = Field(
        default=15.0,
        gt=0,
        description="Seconds without an event after which a stream sends a keep-alive: less than the idle timeouts of "
        "proxies and clients.",
    )
    http_host: str = Field(default="127.0.0.1", description="Address that the gateway listens on.")
    http_port: int = Field(default=8000, ge=0, le=65535, description="Port that the gateway listens on.")
    trusted_proxies: str = Field(
        default="",
        description="Addresses and networks of the proxies in front of the gateway, separated by commas. Only their "
        "`X-Forwarded-For` headers are trusted for a client's address.",
    )
    http_path_prefix: str = Field(
        default="",
        pattern="^(/[A-Za-z0-9][A-Za-z0-9._~-]*)*$",
        description="Path under which a reverse proxy serves the gateway, such as `/cardio`, whether or not the proxy "
        "removes it from the requests. The page, `/docs`, `Location` headers and the OpenAPI document begin with it.",
    )
    cors_origins: str = Field(
        default="",
        description="Origins whose pages may call the gateway (CORS), such as `https://viewer.example`, separated by "
        "commas. By default, browsers let only the gateway's own page call it.",
    )
    http_shared: bool = Field(
        default=False,
        description="Several gateways listen on the same port, and the kernel (Linux) spreads connections over them.",
    )
    worker_host: str = Field(default="127.0.0.1", description="Address that a worker's query view listens on.")
    worker_port: int = Field(default=6066, ge=1, le=65535, description="Port of a worker's query view.")
    worker_public_host: str | None = Field(
        default=None,
        description="Host name under which gateways reach this worker; default: the listening address, or the "
        "machine's own name if the worker listens on all addresses.",
    )
    internal_cert_file: Path | None = Field(
        default=None,
        description="Certificate (PEM) of a gateway or worker. With these three settings in all of them, gateways and "
        "workers use TLS among themselves, and accept only certificates that the authority has signed.",
    )
    internal_key_file: Path | None = Field(
        default=None, description="The key of that certificate (PEM), without a password."
    )
    internal_ca_file: Path | None = Field(
        default=None,
        description="Certificate (PEM) of the authority that signs the certificates of gateways and workers.",
    )
    session_timeout: float = Field(
        default=6.0,
        ge=0.5,
        description="Seconds without a heartbeat after which a worker counts as dead. Six, the least that Apache "
        "Kafka's brokers allow by default, gives the fastest fail-over.",
    )
    batch_size: int = Field(
        default=128,
        ge=1,
        description="Records (ECGs, chunks and erasures) at which a worker's batch is full. A batch holds what has "
        "piled up and never waits for more.",
    )
    insights: str = Field(
        default="all",
        description="Insights that a worker computes of every ECG: `all`, or names separated by commas, such as "
        "`number_of_zero_crossings,rhythm`. Set the same in all workers.",
    )
    table_memory_bytes: int = Field(
        default=64 * MIB,
        ge=8 * MIB,
        description="Memory of a worker's tables: the cache of their files, and rows that are not in a file yet. "
        "Indexes and filters take some 8 MiB of it for a million ECGs.",
    )
    broker_port: int = Field(
        default=9092, ge=0, le=65535, description="Port of the broker that the local stack starts."
    )
    data_dir: Path = Field(
        default=Path("data"),
        description="Directory of a worker's tables (a cache of the changelog), and of all data that the local stack "
        "keeps.",
    )
    metrics_host: str = Field(default="127.0.0.1", description="Address that the metrics are served on.")
    metrics_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Separate port for a process's Prometheus metrics, never its public one; without it there are no "
        "metrics.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO",
        description="Lowest level logged. Of libraries, INFO shows warnings and errors only; DEBUG also each step of "
        "their start and stop.",
    )
    log_format: Literal["json", "logfmt"] = Field(
        default="logfmt",
        description="Format of log lines: `logfmt` for people, `json` for collectors; the image sets `json`.",
    )
    access_log: bool = Field(
        default=False,
        description="Log a line for every request that a gateway answers, and every ECG that a worker processes.",
    )

    @field_validator("admin_token")
    @classmethod
    def _hard_to_guess(cls, token: SecretStr | None, others: ValidationInfo) -> SecretStr | None:
        # A stack on the embedded broker is for trying out, and keeps nothing.
        if token is not None and not others.data.get("embedded_broker"):
            weakness = secret_strength.weakness(token.get_secret_value())
            if weakness is not None:
                raise ValueError(f"ECG_ADMIN_TOKEN {weakness}")
        return token

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, proxies: str) -> str:
        for proxy in _listed(proxies):
            try:
                ip_network(proxy)
            except ValueError:
                raise ValueError("ECG_TRUSTED_PROXIES must hold IP addresses or networks (10.0.0.0/8) only") from None
        return proxies

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, origins: str) -> str:
        for origin in _listed(origins):
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    "ECG_CORS_ORIGINS must hold origins (https://viewer.example, http://localhost:3000) only: no path, "
                    "no slash at the end, no wildcard"
                )
        return origins

    @field_validator("insights")
    @classmethod
    def _are_insights(cls, names: str) -> str:
        try:
            chosen(names, [insight.name for insight in catalogue().insights])
        except ValueError as error:
            raise ValueError(f"ECG_INSIGHTS: {error}") from None
        return names

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
            # Ignoring the settings would suggest a protection that is not there.
            _none_or_raise(user, f"{chosen}: SASL_SSL logs in")
        if self.kafka_encrypts:
            if any(cert.values()):
                _all_or_raise(cert, "as the other one is")
            tls.client_context(files)
        else:
            _none_or_raise({"ECG_KAFKA_CA_FILE": files.ca, **cert}, f"{chosen}: SSL and SASL_SSL encrypt")
        return self

    @property
    def allowed_origins(self) -> list[str]:
        """The origins whose pages may call the gateway."""
        return _listed(self.cors_origins)

    @property
    def kafka_logs_in(self) -> bool:
        """True if clients log in to Kafka with a user and a password."""
        return self.kafka_security_protocol.startswith("SASL")

    @property
    def kafka_encrypts(self) -> bool:
        """True if clients connect to Kafka over TLS."""
        return self.kafka_security_protocol.endswith("SSL")

    @property
    def kafka_files(self) -> tls.Files:
        """The certificate files for connections to Kafka."""
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
        """The certificate files for connections between gateways and workers, or None without TLS."""
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


def _listed(text: str) -> list[str]:
    """Return the entries of a setting that holds a list, separated by commas."""
    return [entry for part in text.split(",") if (entry := part.strip())]


def settings_or_exit(**given: Any) -> Settings:
    """Return the settings; exit with a line for each one that is missing or not valid.

    Args:
        given: settings that do not come from the environment.
    """
    try:
        return Settings(**given)
    except ValidationError as error:
        sys.exit("\n".join(problems(error)))


def problems(error: ValidationError) -> list[str]:
    """Return a sentence for each setting that is missing or not valid. It names the variable, and not its value."""
    return [_problem(str(each["loc"][0]) if each["loc"] else "", each["type"], each["msg"]) for each in error.errors()]


def _problem(name: str, kind: str, message: str) -> str:
    variable = f"ECG_{name.upper()}"
    if kind == "missing":
        return f"{variable} must be set"
    # The checks of this module name the variables themselves, because some concern several.
    return message.removeprefix("Value error, ") if kind == "value_error" else f"{variable}: {message}"


def _all_or_raise(settings: dict[str, Any], reason: str) -> None:
    if missing := [name for name, value in settings.items() if value is None]:
        raise ValueError(f"{' and '.join(missing)} must be set, {reason}")


def _none_or_raise(settings: dict[str, Any], reason: str) -> None:
    if unused := [name for name, value in settings.items() if value is not None]:
        raise ValueError(f"{' and '.join(unused)} would not be used, as {reason}")
