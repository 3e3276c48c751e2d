"""The page about settings: every environment variable with its default and its meaning, from `shared.settings`."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from shared.settings import MIB, Settings

_PAGE = """# Settings

Gateways, workers and the local runner read these environment variables. `make contracts` generates this page from
`shared/settings.py`. *Required* means that no gateway or worker starts without the variable.

`make run` chooses the addresses, generates `ECG_SECRET` and `ECG_ADMIN_TOKEN` if you do not set them, and gives every
worker its own port and directory ([getting started](getting-started.md)). `docker-compose.yml` takes these variables
from `.env`, except for those that it [fixes](getting-started.md#a-local-cluster).

Some variables are described elsewhere: `ECG_URL` and `ECG_TOKEN` of [the command line](cli.md#settings), `OTEL_*` of
OpenTelemetry under [traces](operations.md#traces), and `ECG_KAFKA_HOME`, the directory of Apache Kafka's jars, under
[getting started](getting-started.md#keep-everything-apache-kafka).
"""


@dataclass(frozen=True)
class _Group:
    title: str
    fields: tuple[str, ...]


_GROUPS = (
    _Group("Secrets and tokens", ("secret", "admin_token", "token_staleness", "encrypt_submissions")),
    _Group(
        "Gateway: addresses",
        ("http_host", "http_port", "http_path_prefix", "http_shared", "trusted_proxies", "cors_origins"),
    ),
    _Group(
        "Gateway: limits",
        (
            *("auth_failures_per_minute", "quota_ecgs_per_minute", "quota_bytes_per_minute", "max_body_bytes"),
            *("max_inflight_bytes", "max_unread_bytes", "max_waits", "max_streams", "max_streams_per_user"),
        ),
    ),
    _Group("Gateway: times", ("client_timeout", "publish_timeout", "query_timeout", "keep_alive")),
    _Group(
        "Worker",
        (
            *("worker_host", "worker_port", "worker_public_host", "data_dir", "table_memory_bytes"),
            *("insights", "batch_size", "session_timeout", "chunk_patience"),
        ),
    ),
    _Group("TLS between gateways and workers", ("internal_cert_file", "internal_key_file", "internal_ca_file")),
    _Group(
        "Kafka",
        (
            *("bootstrap_servers", "kafka_security_protocol", "kafka_sasl_mechanism", "kafka_username"),
            *("kafka_password", "kafka_ca_file", "kafka_cert_file", "kafka_key_file", "compression"),
            *("embedded_broker", "broker_port"),
        ),
    ),
    _Group(
        "Topics",
        (
            *("topic_prefix", "partitions", "replication_factor", "min_insync_replicas", "submissions_retention_hours"),
            *("dlq_retention_hours", "audit_retention_hours", "audit", "erasure_hours"),
        ),
    ),
    _Group("Logs and metrics", ("log_level", "log_format", "access_log", "metrics_host", "metrics_port")),
)


def page() -> str:
    """Return the page in Markdown.

    Raises:
        ValueError: if a setting is in no group, or in more than one.
    """
    grouped = [name for group in _GROUPS for name in group.fields]
    if sorted(grouped) != sorted(Settings.model_fields):
        raise ValueError(f"each setting belongs to one group: {set(grouped) ^ set(Settings.model_fields)}")
    return "\n".join([_PAGE, *map(_section, _GROUPS)])


def _section(group: _Group) -> str:
    head = ["| variable | default | meaning |", "| --- | --- | --- |"]
    return "\n".join([f"## {group.title}", "", *head, *map(_row, group.fields), ""])


def _row(name: str) -> str:
    field = Settings.model_fields[name]
    values = _values(Settings.model_json_schema()["properties"][name])
    meaning = f"{field.description} One of {values}." if values else field.description
    return f"| `ECG_{name.upper()}` | {_default(name, field)} | {meaning} |"


def _default(name: str, field: FieldInfo) -> str:
    match field.default:
        case value if value is PydanticUndefined or value is ...:
            return "*required*"
        case None | "":
            return "none"
        case bool() as switch:
            return f"`{str(switch).lower()}`"
        case int() as number if name.endswith("_bytes") and number and number % MIB == 0:
            return f"`{number}` ({number // MIB} MiB)"
        case float() as seconds:
            return f"`{seconds:g}`"
        case str() | int() | Path() as value:
            return f"`{value}`"
    raise TypeError(f"{name}: a default of this type is not shown yet")


def _values(schema: dict[str, Any]) -> str:
    """Return the values that a setting can have, if they are listed: those of a `Literal`, or of a pattern."""
    pattern = re.fullmatch(r"\^\(([\w|]+)\)\$", schema.get("pattern", ""))
    values = pattern[1].split("|") if pattern else schema.get("enum", [])
    return ", ".join(f"`{value}`" for value in values)
