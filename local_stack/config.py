"""What the local stack runs with, worked out from the environment."""

import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from local_stack.broker import free_port, is_free


class ConfigError(Exception):
    """The stack cannot start like this; the message says what to change."""


@dataclass(frozen=True)
class Config:
    """The stack's addresses, secrets and directories."""

    bootstrap_servers: str
    embedded: bool
    broker_port: int
    http_port: int
    worker_port: int
    admin_token: str
    secret: str
    data_dir: Path

    @classmethod
    def from_environment(cls) -> "Config":
        """Read the settings, and make what is not set.

        Raises:
            ConfigError: if a port is taken or a needed setting is missing.
        """
        servers = os.environ.get("ECG_BOOTSTRAP_SERVERS")
        embedded = servers is None
        broker_port, http_port = _port("ECG_BROKER_PORT", 9092), _port("ECG_HTTP_PORT", 8000)
        worker_port = _port("ECG_WORKER_PORT", 0) or free_port()
        for variable, port in (
            ("ECG_HTTP_PORT", http_port),
            ("ECG_WORKER_PORT", worker_port),
            *((("ECG_BROKER_PORT", broker_port),) if embedded else ()),
        ):
            if not is_free("127.0.0.1", port):
                raise ConfigError(f"Port {port} is taken; choose another one with {variable}=PORT")
        admin_token = os.environ.get("ECG_ADMIN_TOKEN")
        if admin_token is None and not embedded:
            raise ConfigError("ECG_ADMIN_TOKEN must be set when ECG_BOOTSTRAP_SERVERS is")
        data_dir = Path(os.environ.get("ECG_DATA_DIR", "data")).absolute()
        return cls(
            servers or f"127.0.0.1:{broker_port}",
            embedded,
            broker_port,
            http_port,
            worker_port,
            admin_token or secrets.token_urlsafe(24),
            _secret(data_dir, embedded),
            data_dir,
        )

    @property
    def url(self) -> str:
        """The gateway's URL."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def environment(self) -> dict[str, str]:
        """The settings of every process."""
        return {
            "ECG_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "ECG_EMBEDDED_BROKER": str(self.embedded).lower(),
            "ECG_HTTP_PORT": str(self.http_port),
            "ECG_ADMIN_TOKEN": self.admin_token,
            "ECG_SECRET": self.secret,
        }

    def worker_dir(self) -> Path:
        """Return the directory of the worker's table, emptied where the broker starts empty too."""
        directory = self.data_dir / ("embedded" if self.embedded else "worker")
        if self.embedded:
            shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True, exist_ok=True)
        return directory


def _port(variable: str, default: int) -> int:
    text = os.environ.get(variable) or str(default)
    if not text.isdecimal() or int(text) > 65535:  # noqa: PLR2004 - the largest port
        raise ConfigError(f"{variable} must be a port number, not {text!r}")
    return int(text)


def _secret(data_dir: Path, embedded: bool) -> str:
    """Return the deployment's secret; on a lasting broker it must last too, or no issued id is recognised."""
    if secret := os.environ.get("ECG_SECRET"):
        return secret
    if embedded:
        return secrets.token_urlsafe(32)
    path = data_dir / "secret"
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32))
    return path.read_text()


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
