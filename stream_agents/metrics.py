"""The worker's metrics. Labels have few values, and no producer chooses one."""

from prometheus_client import Counter, Gauge, Histogram

from shared.metrics import SECONDS

ecgs = Counter(
    "ecg_worker_ecgs_total",
    "ECGs by outcome: stored, forwarded to their key's partition, or dead_letter.",
    ("outcome",),
)
stored, forwarded, dead = (ecgs.labels(outcome) for outcome in ("stored", "forwarded", "dead_letter"))
erasures = Counter(
    "ecg_worker_erasures_total",
    "Erasures of an ECG or a recording, or of all ECGs or recordings of a user in a partition.",
)
dead_letters = Counter("ecg_worker_dead_letters_total", "Dead letters by the class of the error.", ("error_class",))
chunks = Counter("ecg_worker_chunks_total", "Chunks of recordings that were stored, announcements and ends included.")
recomputed = Counter("ecg_worker_recomputed_total", "ECGs whose insights were computed again.")
failed_insights = Counter(
    "ecg_worker_failed_insights_total",
    "Insights that raised an error; their ECGs have the other insights.",
    ("insight",),
)
batch_ecgs = Histogram(
    "ecg_worker_batch_ecgs",
    "ECGs, chunks and erasures per batch (ECG_BATCH_SIZE).",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
)
batch_seconds = Histogram(
    "ecg_worker_batch_duration_seconds", "From the start of a batch until it is stored.", buckets=SECONDS
)
changelog_seconds = Histogram(
    "ecg_worker_changelog_duration_seconds",
    "From passing the rows of a batch to the producer until all of them are acknowledged.",
    buckets=SECONDS,
)
rows_written_again = Counter(
    "ecg_worker_rows_written_again_total",
    "Rows that were written again, because a worker that was cut off from the group had written an earlier one late.",
)
store_retries = Counter("ecg_worker_store_retries_total", "Retries of a batch after an error of the broker.")
age_seconds = Histogram(
    "ecg_worker_age_seconds",
    "Age of the oldest ECG of a batch when it is stored, by its time on the topic: how long a user waits.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0),
)
commit_seconds = Histogram("ecg_worker_commit_duration_seconds", "Commits of offsets.", buckets=SECONDS)
rebalances = Counter("ecg_worker_rebalances_total", "Rebalances of the group that this worker took part in.")
recovery_seconds = Histogram(
    "ecg_worker_recovery_duration_seconds",
    "From the start of a rebalance until every partition that it assigned is recovered and served.",
    buckets=(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0),
)
partitions = Gauge(
    "ecg_worker_partitions", "Partitions of the table on this worker: active, or standby (a copy).", ("role",)
)
ready = Gauge("ecg_worker_ready", "1 if the worker is in the group and its partitions are recovered, else 0.")
lag = Gauge(
    "ecg_worker_lag_records",
    "Submissions and chunks of a partition that are not stored yet: the end offset for readers minus the first "
    "unstored one.",
    ("partition",),
)
tables_built_anew = Counter(
    "ecg_worker_tables_built_anew_total",
    "Partitions of the table whose files were deleted, to be rebuilt from the changelog.",
)
table_rows = Gauge(
    "ecg_worker_table_rows", "Rows of a partition of the table on this worker, as RocksDB estimates.", ("partition",)
)
disk_free = Gauge("ecg_worker_disk_free_bytes", "Free space on the disk of the table (ECG_DATA_DIR).")
disk = Gauge("ecg_worker_disk_bytes", "Size of the disk of the table.")
table_bytes = Gauge(
    "ecg_worker_table_bytes", "Size of a partition of the table on this worker, in files and in memory.", ("partition",)
)
