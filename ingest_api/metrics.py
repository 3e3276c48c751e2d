"""A gateway's metrics. Labels have few values, and none of them comes from a client."""

from typing import Literal, TypeAlias, get_args

from prometheus_client import Counter, Gauge, Histogram

from shared.metrics import SECONDS

Missing: TypeAlias = Literal["memory", "broker", "users", "worker", "gateway"]
"""What was missing for an answer other than 503; `gateway` if it is stopping, or has too many open streams."""

requests = Histogram(
    "ecg_gateway_request_duration_seconds",
    "Seconds from a request's arrival to the end of its answer, by call (a documented one, or `other`) and status.",
    ("call", "status"),
    buckets=SECONDS,
)
publishes = Histogram(
    "ecg_gateway_publish_duration_seconds",
    "Seconds from handing a record to the producer until the broker acknowledges it.",
    buckets=SECONDS,
)
publish_failures = Counter(
    "ecg_gateway_publish_failures_total", "Records that the broker refused or did not acknowledge in time."
)
audits = Histogram(
    "ecg_gateway_audit_duration_seconds",
    "Seconds from handing an audit record to the producer until the broker acknowledges it.",
    buckets=SECONDS,
)
audit_failures = Counter(
    "ecg_gateway_audit_failures_total", "Audit records that the broker refused or did not acknowledge in time."
)
inflight = Gauge(
    "ecg_gateway_inflight_bytes",
    "Bytes of submissions held until the broker acknowledges them (limit: ECG_MAX_INFLIGHT_BYTES).",
)
refusals = Counter(
    "ecg_gateway_refusals_total",
    f"Answers with 503, by what was missing: {', '.join(get_args(Missing))}.",
    ("missing",),
)
for _missing in get_args(Missing):
    refusals.labels(_missing)

failed_authentications = Counter(
    "ecg_gateway_failed_authentications_total",
    "Wrong tokens, by kind, which `header` names also if it came as a bearer token, and outcome: `wrong` (checked) or "
    "`refused` (not checked, because there were too many).",
    ("header", "outcome"),
)
for _header in ("x-user-token", "x-admin-token"):
    for _outcome in ("wrong", "refused"):
        failed_authentications.labels(_header, _outcome)

ready = Gauge("ecg_gateway_ready", "1 if the gateway can serve, as in /health/ready, else 0.")
group_lag = Gauge(
    "ecg_group_lag_records",
    "Submissions and chunks that the workers have not committed: a partition's last stable offset minus the committed "
    "one.",
    ("partition",),
)
replicas = Gauge(
    "ecg_topic_replicas", "Replicas assigned to a topic: the smallest number of any partition.", ("topic",)
)
in_sync_replicas = Gauge(
    "ecg_topic_in_sync_replicas",
    "Replicas of a topic that are in sync: the smallest number of any partition.",
    ("topic",),
)
min_insync_replicas = Gauge(
    "ecg_topic_min_insync_replicas", "In-sync replicas that an acknowledgement needs (ECG_MIN_INSYNC_REPLICAS)."
)
