"""Measures how many live recordings one worker keeps up with on one core, and the memory while they run."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.ecgs import SAMPLING_RATE, USERNAME, seconds
from benchmarks.live_load import BEGINNING, LiveSpec
from benchmarks.load import Follow, Result, headers
from benchmarks.machine import cores
from benchmarks.markdown import figure, number, table
from benchmarks.memory import growths, keep
from benchmarks.run import Figures, Run, generate
from benchmarks.services import SECRET, SHORT_LIVED, Pipeline, kafka
from benchmarks.stats import percentile
from benchmarks.watch import Reading, core_share, watch
from local_stack.kafka import KafkaCluster
from shared.security.ids import IdIssuer
from shared.settings import MIB

HTTP, STRAIGHT = "through a gateway", "straight onto Kafka"
WAYS = (HTTP, STRAIGHT)
COUNTS = (100, 250, 500, 750, 1000, 1500, 2000)
TARGET = 500
"""The number of recordings that a worker should keep up with on one core, and with which the memory is watched."""

SUSTAINED = "live/sustained"
SUSTAINED_MEMORY = f"{SUSTAINED}/memory"
PROCESSES = ("gateway", "worker", "broker")
_LATEST_MS = 1000.0
# Few and coarse beside the second that is allowed: each poll is an audited read, which costs as much as a chunk.
_FOLLOWED = 10.0
_INTERVAL = 0.025
_CONNECTIONS = 256
_READING = 0.5
_MOST_READINGS = 600
# All recordings have begun, and beats were searched in a segment of most.
_WARM_UP = BEGINNING + 5.0
# The table's cache and buffers, small enough to be full early.
_TABLE = 16 * MIB
_ANNOUNCED_AT_ONCE = 16


@dataclass(frozen=True)
class _Stage:
    """A pipeline of one worker on a core of its own, and one gateway on the core of the broker and the load."""

    pipeline: Pipeline
    token: str
    pids: dict[str, int]
    core: int


async def run(run: Run) -> Figures:
    """Raise the number of recordings, over HTTP and on Kafka, until the worker does not keep up; watch the memory."""
    figures = Figures()
    directory = run.directory / "live"
    async with kafka(run.distribution, directory / "kafka", cores()[1], settings=SHORT_LIVED) as cluster:
        for i, way in enumerate(WAYS):
            async with _staged(cluster, directory, f"live-{i}") as stage:
                figures.add(f"live/{way}/held", await _raised(run, stage, way, figures))
        async with _staged(cluster, directory, "live-sustained") as stage:
            count = run.pick(TARGET, COUNTS[0])
            result, readings = await _live(run, stage, HTTP, count, run.pick(900.0, 8.0))
            figures.add(f"{SUSTAINED}/count", count)
            _add(figures, SUSTAINED, result, readings)
            keep(readings, figures, SUSTAINED_MEMORY)
    return figures


@asynccontextmanager
async def _staged(cluster: KafkaCluster, directory: Path, prefix: str) -> AsyncIterator[_Stage]:
    core, others = cores()
    with Pipeline(
        cluster.bootstrap_servers, directory / prefix, prefix, ECG_TABLE_MEMORY_BYTES=str(_TABLE)
    ) as pipeline:
        gateway, worker = await pipeline.start_gateway(others), pipeline.start_worker(core)
        await pipeline.balanced([worker])
        pids = dict(zip(PROCESSES, (gateway.pid, worker.pid, cluster.nodes[0].pid or 0), strict=True))
        yield _Stage(pipeline, pipeline.register(USERNAME), pids, others)


async def _raised(run: Run, stage: _Stage, way: str, figures: Figures) -> int:
    """Return the largest number of recordings with which the pipeline keeps up, or 0."""
    held = 0
    for count in run.pick(COUNTS, COUNTS[:1]):
        result, readings = await _live(run, stage, way, count, run.pick(40.0, 5.0))
        _add(figures, f"live/{way}/{count}", result, readings)
        if not keeps_up(result):
            break
        held = count
    return held


def keeps_up(result: Result) -> bool:
    """Return True if all chunks were accepted, 99 of 100 within a second, and 99 of 100 had insights a second later."""
    slowest = max(percentile(result.latencies, 99), percentile(result.fresh, 99))
    return set(result.statuses) == {201} and slowest <= _LATEST_MS


async def _live(run: Run, stage: _Stage, way: str, count: int, measured: float) -> tuple[Result, Sequence[Reading]]:
    """Run recordings for some seconds, and return what the load measured, and the readings of the processes."""
    run.say(f"live: {count} recordings {way}")
    pipeline = stage.pipeline
    gateway = pipeline.gateways[0]
    if way == HTTP:
        ids = await announced(f"http://127.0.0.1:{gateway.port}", stage.token, count)
    else:
        issuer = IdIssuer(SECRET)
        ids = [issuer.issue(USERNAME, recording=True) for _ in range(count)]
    spec = LiveSpec(
        targets=[("127.0.0.1", gateway.port)],
        connections=_CONNECTIONS,
        seconds=measured,
        warmup=_WARM_UP,
        rate=count,
        follow=Follow(_FOLLOWED, _INTERVAL, headers(stage.token), "/recordings"),
        ids=ids,
        token=stage.token,
        topic=f"{pipeline.settings.topic_prefix}.chunks",
        servers=None if way == HTTP else pipeline.settings.bootstrap_servers,
    )
    load = asyncio.create_task(generate(spec, stage.core, "benchmarks.live_load"))
    readings = await watch(load, stage.pids, max(_READING, measured / _MOST_READINGS))
    result = load.result()
    late = f"{percentile(result.latencies, 99):,.0f} and {percentile(result.fresh, 99):,.0f} ms"
    run.say(f"live: {count} recordings {way}: p99 {late}")
    return result, [reading for reading in readings if reading.time >= result.started + _WARM_UP]


async def announced(url: str, token: str, count: int) -> list[str]:
    """Announce recordings at a gateway, and return their ids."""
    leads = [{"name": lead.name} for lead in seconds()[0]]
    announcement = {"leads": leads, "sampling_rate": SAMPLING_RATE}
    limit = asyncio.Semaphore(_ANNOUNCED_AT_ONCE)
    async with httpx.AsyncClient(base_url=url, headers={"x-user-token": token}, timeout=30, trust_env=False) as client:

        async def announce() -> str:
            async with limit:
                answer = await client.post("/recordings", json=announcement)
            return str(answer.raise_for_status().json()["id"])

        return await asyncio.gather(*(announce() for _ in range(count)))


def _add(figures: Figures, key: str, result: Result, readings: Sequence[Reading]) -> None:
    begin = readings[0].time
    figures.add(f"{key}/accepted_p99", percentile(result.latencies, 99))
    for percent in (50, 99):
        figures.add(f"{key}/p{percent}", percentile(result.fresh, percent))
    figures.add(f"{key}/followed", len(result.fresh))
    figures.add(f"{key}/stale", result.stale)
    for name in PROCESSES:
        share = core_share(readings, name, begin, begin + result.seconds)
        figures.add(f"{key}/{name}/core", share)
        figures.add(f"{key}/{name}/cpu_ms", 1000 * share / (result.answered / result.seconds))
        figures.add(f"{key}/{name}/mib_before", readings[0].memory[name])
        figures.add(f"{key}/{name}/mib", readings[-1].memory[name])


def section(figures: Figures, plots: Path) -> str:
    """Write the section of the report."""
    held = ", ".join(f"{figures.spread(f'live/{way}/held').median:,.0f} {way}" for way in WAYS)
    text = f"""## Live recordings

Recordings of 12 leads at 500 Hz, each of which sends a packed chunk of one second every second, spread evenly over the
second. The worker has a core of its own; the gateway, the broker and the load share another. The number of recordings
is raised until the pipeline does not keep up: until one chunk in a hundred waits for more than a second for its 201,
or for its insights after that. The largest numbers with which it kept up: **{held}**.

**Accepted** is the time from when a chunk was due to its 201, or to the broker's acknowledgement straight onto Kafka;
**insights** the time from there until the recording's insights include the chunk, of up to {_FOLLOWED:.0f} chunks a
second, each polled over HTTP every {1000 * _INTERVAL:.0f} ms at first, later after pauses of a twentieth of the time
waited. **Core** is the CPU time of a process as a share of one core, **CPU** that for a chunk.

"""
    for way in WAYS:
        rows = [
            [
                f"{count:,}",
                *(figure(figures.spread(f"live/{way}/{count}/{what}")) for what in ("accepted_p99", "p50", "p99")),
                *(
                    f"{100 * figures.spread(f'live/{way}/{count}/{name}/core').median:.0f} %"
                    for name in ("worker", "gateway")
                ),
                *(figure(figures.spread(f"live/{way}/{count}/{name}/cpu_ms")) for name in ("worker", "gateway")),
                *(_mib(figures, f"live/{way}/{count}/{name}") for name in ("worker", "gateway")),
            ]
            for count in COUNTS
            if f"live/{way}/{count}/p99" in figures
        ]
        columns = ["accepted: p99 ms", "insights: p50 ms", "p99 ms", "worker: core", "gateway: core"]
        columns += ["worker: CPU ms", "gateway: CPU ms", "worker: MiB", "gateway: MiB"]
        text += f"**{way[0].upper()}{way[1:]}**\n\n{table(['recordings', *columns], rows)}\n"
    minutes = figures.values[f"{SUSTAINED_MEMORY}/seconds"][-1] / 60
    followed, stale = (sum(figures.values[f"{SUSTAINED}/{name}"]) for name in ("followed", "stale"))
    text += f"""Memory with {figures.spread(f"{SUSTAINED}/count").median:,.0f} recordings through a gateway for
{minutes:,.1f} minutes. The worker's table has {_TABLE // MIB} MiB for its cache and buffers, so that they are full
early. The growth is that of the second half. Insights came after {number(figures.spread(f"{SUSTAINED}/p50").median)} ms
(p50) and {number(figures.spread(f"{SUSTAINED}/p99").median)} ms (p99), of {followed:,.0f} chunks, of which {stale:,.0f}
had none at the end.

"""
    return text + growths(figures, PROCESSES, SUSTAINED_MEMORY)


def _mib(figures: Figures, key: str) -> str:
    before, after = (figures.spread(f"{key}/{name}").median for name in ("mib_before", "mib"))
    return f"{before:,.0f} to {after:,.0f}"
