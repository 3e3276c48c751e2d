"""The configuration of the local stack, derived from the environment."""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from local_stack.broker import free_port, is_free
from shared.security import secret_strength
from shared.settings import Settings, problems


class ConfigError(Exception):
    """The stack cannot start like this; the message says what to change."""


class Broker(StrEnum):
    """A broker that the stack starts itself."""

    EMBEDDED = "embedded"
    KAFKA = "kafka"


# The directories of the tables, one for each broker, because a table is a copy of that broker's topics. The directory
# of a broker that the stack starts is deleted with the broker's data.
_WORKER_DIRS = {Broker.EMBEDDED: "embedded", Broker.KAFKA: "kafka/workers", None: "workers"}
_LARGEST_PORT = 65535
_KAFKA_SECURITY = [f"ECG_{name.upper()}" for name in Settings.model_fields if name.startswith("kafka_")]


@dataclass(frozen=True)
class Config:
    """The stack's addresses, secrets and directories; `broker` is None if it uses a Kafka that already runs.

    `metrics_ports` has a port for each gateway, followed by one for each worker, or is empty.
    """

    bootstrap_servers: str
    broker: Broker | None
    broker_port: int
    http_port: int
    worker_ports: tuple[int, ...]
    gateways: int
    metrics_ports: tuple[int, ...]
    admin_token: str
    secret: str
    data_dir: Path

    @classmethod
    def from_environment(cls, broker_name: str | None, workers: int = 1, gateways: int = 1) -> "Config":
        """Read the settings, and choose ports and secrets where they are not set.

        Args:
            broker_name: the broker that the user asked for, if any.
            workers: the number of workers, which share the load.
            gateways: the number of gateways, which share the port.

        Raises:
            ConfigError: if a port is taken, a needed setting is missing or not valid, or two contradict each other.
        """
        if workers < 1 or gateways < 1:
            raise ConfigError("WORKERS and GATEWAYS must be 1 or more")
        servers = os.environ.get("ECG_BOOTSTRAP_SERVERS") or None
        broker = _broker(broker_name, servers)
        broker_port, http_port = _port("ECG_BROKER_PORT", 9092), _port("ECG_HTTP_PORT", 8000)
        first_worker_port = _port("ECG_WORKER_PORT", 0)
        worker_ports = tuple(first_worker_port + i if first_worker_port else free_port() for i in range(workers))
        first_metrics_port = _port("ECG_METRICS_PORT", 0)
        metrics_ports = tuple(first_metrics_port + i for i in range(gateways + workers if first_metrics_port else 0))
        for variable, port in (
            ("ECG_HTTP_PORT", http_port),
            *(("ECG_METRICS_PORT", port) for port in metrics_ports),
            *(("ECG_WORKER_PORT", port) for port in worker_ports),
            *((("ECG_BROKER_PORT", broker_port),) if broker else ()),
        ):
            if port > _LARGEST_PORT:
                raise ConfigError(f"{variable} is too high: not every process would have a port")
            if not is_free("127.0.0.1", port):
                raise ConfigError(f"Port {port} is taken; choose another one with {variable}=PORT")
        if broker is None and not os.environ.get("ECG_ADMIN_TOKEN"):
            raise ConfigError("ECG_ADMIN_TOKEN must be set when ECG_BOOTSTRAP_SERVERS is")
        chosen = os.environ.get("ECG_ADMIN_TOKEN")
        if chosen and broker is not Broker.EMBEDDED and (weakness := secret_strength.weakness(chosen)):
            raise ConfigError(f"ECG_ADMIN_TOKEN {weakness}")
        data_dir = Path(os.environ.get("ECG_DATA_DIR", "data")).absolute()
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"ECG_DATA_DIR={data_dir} cannot be used: {error.strerror}") from None
        # A broker that keeps its data needs secrets that are kept too: gateways would not recognise ids that were
        # signed with another secret.
        kept = None if broker is Broker.EMBEDDED else data_dir
        config = cls(
            servers or f"127.0.0.1:{broker_port}",
            broker,
            broker_port,
            http_port,
            worker_ports,
            gateways,
            metrics_ports,
            _secret("ECG_ADMIN_TOKEN", kept and kept / "admin-token"),
            _secret("ECG_SECRET", kept and kept / "secret"),
            data_dir,
        )
        _check_settings(config.environment)
        return config

    @property
    def url(self) -> str:
        """The gateway's URL."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of every process."""
        return {
            "ECG_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "ECG_EMBEDDED_BROKER": str(self.broker is Broker.EMBEDDED).lower(),
            # The user's credentials are for the user's own Kafka, not for a broker that the stack starts.
            **(dict.fromkeys(_KAFKA_SECURITY, "") if self.broker else {}),
            "ECG_HTTP_PORT": str(self.http_port),
            "ECG_HTTP_SHARED": str(self.gateways > 1).lower(),
            "ECG_ADMIN_TOKEN": self.admin_token,
            "ECG_SECRET": self.secret,
        }

    @property
    def kafka_dir(self) -> Path:
        """The data directory of Apache Kafka."""
        return self.data_dir / "kafka"

    def worker_dirs(self) -> list[Path]:
        """Make and return the directories of the workers' tables, empty if the broker starts empty."""
        parent = self.data_dir / _WORKER_DIRS[self.broker]
        if self.broker is Broker.EMBEDDED:
            shutil.rmtree(parent, ignore_errors=True)
        directories = [parent / str(number) for number, _ in enumerate(self.worker_ports, start=1)]
        for directory in directories:
            directory.mkdir(parents=True, exist_ok=True)
        return directories


def _port(variable: str, default: int) -> int:
    text = os.environ.get(variable) or str(default)
    if not text.isdecimal() or int(text) > _LARGEST_PORT:
        raise ConfigError(f"{variable} must be a port number, not {text!r}")
    return int(text)


def _broker(name: str | None, servers: str | None) -> Broker | None:
    if name is None:
        return None if servers else Broker.EMBEDDED
    if name not in set(Broker):
        raise ConfigError(
            f"BROKER must be {' or '.join(Broker)}, not {name!r}; name your Kafka in ECG_BOOTSTRAP_SERVERS"
        )
    if servers:
        raise ConfigError(f"BROKER={name} starts a broker and ECG_BOOTSTRAP_SERVERS names another; unset one of them")
    return Broker(name)


def _secret(variable: str, kept: Path | None) -> str:
    """Return the secret from its variable, or else from its file, made if missing; without a path, a new secret."""
    if secret := os.environ.get(variable):
        return secret
    if kept is None:
        return secrets.token_urlsafe(32)
    if not kept.exists():
        write_private(kept, secrets.token_urlsafe(32))
    return kept.read_text()


def _check_settings(environment: Mapping[str, str]) -> None:
    """Check the settings of gateways and workers, which would end one after the other and be restarted for nothing.

    Raises:
        ConfigError: if one of them is not valid.
    """
    given: dict[str, Any] = {}
    for variable, value in environment.items():
        name = variable.removeprefix("ECG_").lower()
        given[name] = value or Settings.model_fields[name].default
    try:
        Settings(**given)
    except ValidationError as error:
        raise ConfigError("\n".join(problems(error))) from None


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold an exclusive lock on a directory until the block is left or the process ends, in whatever way.

    Two brokers on the same data would write into each other's files, because Kafka locks them too late.

    Raises:
        ConfigError: if another process holds the lock.
    """
    with (directory / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"A stack runs in {directory}; choose another directory with ECG_DATA_DIR=PATH") from None
        yield


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
