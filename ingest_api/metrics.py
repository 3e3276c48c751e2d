"""What a gateway measures. Labels have few values: none is a client's word."""

from prometheus_client import Counter, Gauge, Histogram

from shared.metrics import SECONDS

requests = Histogram(
    "ecg_gateway_request_duration_seconds",
    "From a request's arrival to the end of its answer, by call (as documented, or `other`) and status.",
    ("call", "status"),
    buckets=SECONDS,
)
publishes = Histogram(
    "ecg_gateway_publish_duration_seconds",
    "From handing a record to the producer to its acknowledgement by the broker.",
    buckets=SECONDS,
)
publish_failures = Counter(
    "ecg_gateway_publish_failures_total", "Records that the broker did not acknowledge in time, or refused."
)
audits = Histogram(
    "ecg_gateway_audit_duration_seconds",
    "From handing a record of the audit to the producer to its acknowledgement by the broker.",
    buckets=SECONDS,
)
audit_failures = Counter(
    "ecg_gateway_audit_failures_total", "Records of the audit that the broker did not acknowledge in time, or refused."
)
inflight = Gauge(
    "ecg_gateway_inflight_bytes",
    "Submissions held until the broker acknowledges them (ECG_MAX_INFLIGHT_BYTES).",
)
refusals = Counter(
    "ecg_gateway_refusals_total",
    "Answers with 503, by what was missing: memory, broker, users, worker, or other.",
    ("missing",),
)
for _missing in ("memory", "broker", "users", "worker", "other"):
    refusals.labels(_missing)

failed_authentications = Counter(
    "ecg_gateway_failed_authentications_total",
    "Wrong tokens, by the header that they came in, and whether they were looked at or refused as too many.",
    ("header", "outcome"),
)
for _header in ("x-user-token", "x-admin-token"):
    for _outcome in ("wrong", "refused"):
        failed_authentications.labels(_header, _outcome)

ready = Gauge("ecg_gateway_ready", "1 if the gateway can serve, as /health/ready says, else 0.")
group_lag = Gauge(
    "ecg_group_lag_records",
    "Submissions that the workers have not committed: a partition's end, as readers see it, minus that offset.",
    ("partition",),
)
replicas = Gauge("ecg_topic_replicas", "Copies that a topic should have: the least of its partitions.", ("topic",))
in_sync_replicas = Gauge(
    "ecg_topic_in_sync_replicas",
    "Copies that a topic has and that are in sync: the least of its partitions.",
    ("topic",),
)
min_insync_replicas = Gauge(
    "ecg_topic_min_insync_replicas", "Copies in sync without which nothing is acknowledged (ECG_MIN_INSYNC_REPLICAS)."
)
