"""Queries of a small table and of a large one, and the time in which a worker recovers each."""

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ecgs import SMALL, USERNAME, windows
from benchmarks.load import Result, Spec, build_get
from benchmarks.machine import cpu_seconds, resident_bytes
from benchmarks.markdown import figure, ratio, table
from benchmarks.run import Figures, Run, generate
from benchmarks.services import SECRET, Pipeline, Service, kafka
from benchmarks.stats import percentile
from benchmarks.topics import Broker
from shared.kafka import topics
from shared.messages import insights
from shared.security.ids import IdIssuer
from shared.settings import MIB

CONNECTIONS = 16
RATE = 500
FEW, MANY = "few", "many"
_ASKED = 20_000
_RECOVERY_TIMEOUT = 600.0


@dataclass(frozen=True)
class Table:
    """A pipeline whose worker has a filled table, the file of requests for its rows, and the seconds of recovery."""

    pipeline: Pipeline
    requests: str
    recovery: float

    def cpu(self) -> float:
        """Return the CPU seconds that gateway and worker have used so far."""
        return sum(cpu_seconds(service.pid) for service in (*self.pipeline.gateways, *self.pipeline.workers))


async def run(run: Run) -> Figures:
    """Fill both tables, and query them in turn."""
    figures = Figures()
    directory = run.directory / "query"
    async with kafka(run.distribution, directory / "kafka") as cluster:
        broker = Broker(cluster.bootstrap_servers)
        with ExitStack() as stack:
            tables = {}
            for name, rows in ((FEW, 10_000), (MANY, run.pick(2_000_000, 100_000))):
                figures.add(f"query/{name}/rows", rows)
                run.say(f"query: filling {rows:,} rows")
                pipeline = stack.enter_context(Pipeline(broker.servers, directory / name, name))
                tables[name] = await fill(run, broker, pipeline, rows)
                figures.add(f"query/{name}/recovery", tables[name].recovery)
            for i in range(run.pick(4, 2)):
                run.say(f"query: round {i + 1}")
                for name, filled in tables.items():
                    await measure(run, filled, f"query/{name}", figures)
            for name, filled in tables.items():
                worker = filled.pipeline.workers[0]
                figures.add(f"query/{name}/rss", resident_bytes(worker.pid) / MIB)
                worker.stop()
                run.say(f"query: {name}, with its local table")
                figures.add(
                    f"query/{name}/recovery_local", await _recovery(filled.pipeline, directory / name / "worker-0")
                )
    return figures


async def fill(run: Run, broker: Broker, pipeline: Pipeline, count: int) -> Table:
    """Produce rows onto the changelog, and start a worker, which recovers them, and a gateway."""
    await topics.create(pipeline.settings)
    prefix = pipeline.settings.topic_prefix
    asked: list[str] = []
    broker.fill(f"{prefix}.insights", filled_rows(count, asked))
    run.say(f"query: recovering {count:,} rows")
    recovery = await _recovery(pipeline, None)
    await pipeline.start_gateway()
    token = pipeline.register(USERNAME)
    requests = [build_get(f"/ecgs/{ecg_id}/insights", token) for ecg_id in asked]
    return Table(pipeline, run.requests(prefix, requests), recovery)


def filled_rows(count: int, asked: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yield rows, and append the ids of a random choice of them to `asked`."""
    issuer, rng = IdIssuer(SECRET), random.Random(0)  # noqa: S311 - chooses rows
    leads = [{"name": lead.name, "number_of_zero_crossings": 42} for lead in windows(SMALL)[0]]
    chosen = set(rng.sample(range(count), min(count, _ASKED)))
    for i in range(count):
        ecg_id = issuer.issue(USERNAME)
        if i in chosen:
            asked.append(ecg_id)
        yield ecg_id, insights.encode(insights.Insights(ecg_id, USERNAME, leads))


async def _recovery(pipeline: Pipeline, data: Path | None) -> float:
    """Start a worker, and return the seconds until it serves."""
    begun = time.monotonic()
    worker = pipeline.start_worker(data=data)
    await worker.says("event=serving", _RECOVERY_TIMEOUT)
    return time.monotonic() - begun


async def measure(run: Run, filled: Table, key: str, figures: Figures) -> None:
    """Read rows in a closed loop and in an open one, and add the rate, the CPU time for a read, and the latencies."""
    gateway = filled.pipeline.gateways[0]
    before = filled.cpu()
    closed = await ask(run, gateway, filled.requests)
    figures.add(f"{key}/cpu_ms", 1000 * (filled.cpu() - before) / closed.sent)
    figures.add(f"{key}/rate", closed.answered / closed.seconds)
    opened = await ask(run, gateway, filled.requests, RATE)
    for percent in (50, 99):
        figures.add(f"{key}/p{percent}", percentile(opened.latencies, percent))


async def ask(
    run: Run, gateway: Service, requests: str, rate: float | None = None, seconds: float | None = None
) -> Result:
    """Send queries in a closed loop, or in an open one at a rate.

    Raises:
        RuntimeError: if one is not answered 200.
    """
    spec = Spec(
        targets=[("127.0.0.1", gateway.port)],
        requests=requests,
        connections=CONNECTIONS,
        seconds=seconds or run.pick(5.0, 1.5),
        rate=rate,
    )
    result = await generate(spec)
    if set(result.statuses) != {200}:
        raise RuntimeError(f"queries were answered {result.statuses}")
    return result


def section(figures: Figures, _: Path) -> str:
    """Write the section of the report."""
    text = f"""## Queries

Reads per second through one gateway from one worker, {CONNECTIONS} connections in a closed loop, random rows;
milliseconds from the time at which a request was due at {RATE}/s. **CPU** is that of gateway and worker for a read. The
rows are produced onto the changelog before the worker starts: its **recovery** is the time from its start until it
serves, without a local table and with one.

"""
    columns = [
        "rows",
        "reads/s",
        "to the small table",
        "CPU ms",
        "p50 ms",
        "p99 ms",
        "worker's memory",
        "recovery",
        "with local table",
    ]
    rows = []
    for name in (FEW, MANY):
        key = f"query/{name}"
        rows.append(
            [
                f"{figures.values[f'{key}/rows'][0]:,.0f}",
                figure(figures.spread(f"{key}/rate")),
                ratio(figures.ratio(f"{key}/rate", f"query/{FEW}/rate")),
                *(figure(figures.spread(f"{key}/{what}")) for what in ("cpu_ms", "p50", "p99")),
                f"{figures.values[f'{key}/rss'][0]:,.0f} MiB",
                *(f"{figures.values[f'{key}/{what}'][0]:.1f} s" for what in ("recovery", "recovery_local")),
            ]
        )
    return text + table(columns, rows)
