"""How the rate grows with workers and gateways, and the memory with time."""

import asyncio
import time
from functools import partial
from pathlib import Path

from benchmarks.load import Spec, build_post
from benchmarks.machine import resident_bytes
from benchmarks.markdown import figure, number, table
from benchmarks.plots import lines
from benchmarks.recordings import SMALL, USERNAME, bodies
from benchmarks.run import Figures, Run, generate
from benchmarks.saturation import WARM_UP, saturation
from benchmarks.services import SHORT_LIVED, Pipeline, kafka
from benchmarks.stats import slope, spread
from benchmarks.topics import Broker
from local_stack.kafka import KafkaCluster
from shared.settings import MIB

COUNTS = (1, 2, 4)
PROCESSES = ("gateway", "worker", "broker")
_INTERVAL = 1.0


async def run(run: Run) -> Figures:
    """Measure the rate of each count in turn, round by round, and then the memory at half load."""
    figures = Figures()
    directory = run.directory / "scale"
    async with kafka(run.distribution, directory / "kafka", **SHORT_LIVED) as cluster:
        broker = Broker(cluster.bootstrap_servers)
        for i in range(run.pick(2, 1)):
            for count in run.pick(COUNTS, COUNTS[:2]):
                run.say(f"scale: {count} workers and gateways, round {i + 1}")
                rate = await _rate(run, broker, count, directory / f"{i}-{count}", f"scale-{i}-{count}")
                figures.add(f"scale/{count}/rate", rate)
        await _memory(run, cluster, spread(figures.values["scale/1/rate"]).median / 2, directory / "memory", figures)
    return figures


async def _rate(run: Run, broker: Broker, count: int, directory: Path, prefix: str) -> float:
    with Pipeline(broker.servers, directory, prefix) as pipeline:
        for _ in range(count):
            await pipeline.start_gateway()
        await pipeline.balanced([pipeline.start_worker() for _ in range(count)])
        token = pipeline.register(USERNAME)
        rows = partial(broker.records, f"{prefix}.insights")
        await saturation(run, pipeline.gateways, token, WARM_UP, rows)
        return await saturation(run, pipeline.gateways, token, run.pick(8.0, 2.0), rows)


async def _memory(run: Run, cluster: KafkaCluster, rate: float, directory: Path, figures: Figures) -> None:
    seconds = run.pick(600.0, 20.0)
    run.say(f"scale: memory at {rate:,.0f}/s for {seconds:.0f} s")
    with Pipeline(cluster.bootstrap_servers, directory, "memory") as pipeline:
        gateway = await pipeline.start_gateway()
        worker = pipeline.start_worker()
        await pipeline.balanced([worker])
        token = pipeline.register(USERNAME)
        spec = Spec(
            targets=[("127.0.0.1", gateway.port)],
            requests=run.requests("memory", [build_post("/ecgs", token, body) for body in bodies(SMALL)]),
            connections=64,
            seconds=seconds,
            rate=rate,
        )
        load = asyncio.create_task(generate(spec))
        pids = dict(zip(PROCESSES, (gateway.pid, worker.pid, cluster.nodes[0].pid), strict=True))
        begun = time.monotonic()
        while not load.done():
            figures.add("scale/memory/seconds", time.monotonic() - begun)
            for name, pid in pids.items():
                figures.add(f"scale/memory/{name}", resident_bytes(pid or 0) / MIB)
            await asyncio.wait([load], timeout=_INTERVAL)
        await load
    figures.add("scale/memory/rate", rate)


def growth(figures: Figures, process: str) -> float:
    """Return by how many MiB a minute a process grows in the second half of the run; in the first, caches fill."""
    times, memory = figures.values["scale/memory/seconds"], figures.values[f"scale/memory/{process}"]
    half = len(times) // 2
    return 60 * slope(times[half:], memory[half:])


def section(figures: Figures, plots: Path) -> str:
    """Write the section of the report."""
    text = f"""## Scale

ECGs of {SMALL} per second from submission to row, with as many workers as gateways. **Efficiency** is the rate over
that of one of each and their number. All of them share this machine's cores with the broker and the load.

"""
    text += table(
        ["workers and gateways", "ECGs/s", "efficiency"],
        [
            [
                str(count),
                figure(figures.spread(f"scale/{count}/rate")),
                f"{100 * figures.ratio(f'scale/{count}/rate', 'scale/1/rate').median / count:.0f} %",
            ]
            for count in COUNTS
            if f"scale/{count}/rate" in figures
        ],
    )
    times, [rate] = figures.values["scale/memory/seconds"], figures.values["scale/memory/rate"]
    text += f"""
Memory of one gateway, one worker and the broker at half load, {rate:,.0f} ECGs per second for {times[-1]:,.0f} s; the
growth is that of the second half.

"""
    rows = []
    for name in PROCESSES:
        memory = figures.values[f"scale/memory/{name}"]
        middle = memory[len(memory) // 2]
        rows.append([name, *map(number, (memory[0], middle, memory[-1])), f"{growth(figures, name):+.2f}"])
    text += table(["MiB", "at the start", "half way", "at the end", "growth per minute"], rows)
    series = {name: figures.values[f"scale/memory/{name}"] for name in PROCESSES}
    lines(plots / "scale-memory.svg", "Resident memory at half load", times, series, "MiB")
    return text + f"\n![memory]({plots.name}/scale-memory.svg)\n"
