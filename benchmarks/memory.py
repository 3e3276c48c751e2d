"""The memory of every process at half load, over an hour: not one of the parts that a run measures by default."""

import asyncio
import math
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from benchmarks.ecgs import SMALL, USERNAME, bodies
from benchmarks.load import Spec, build_post
from benchmarks.markdown import number, table
from benchmarks.plots import lines
from benchmarks.run import Figures, Run, generate
from benchmarks.saturation import WARM_UP, saturation
from benchmarks.services import SHORT_LIVED, Pipeline, kafka
from benchmarks.stats import slope
from benchmarks.topics import Broker
from benchmarks.watch import Reading, watch
from shared.settings import MIB

PROCESSES = ("gateway", "worker", "broker")
# Seconds of half load as a share of the times at which the memory is read.
_READINGS = 600
# The table's cache and buffers, small enough to be full long before the second half.
_TABLE = 16 * MIB


async def run(run: Run) -> Figures:
    """Measure the rate of one gateway and one worker, and then their memory at half of this rate."""
    figures = Figures()
    directory = run.directory / "memory"
    async with kafka(run.distribution, directory / "kafka", settings=SHORT_LIVED) as cluster:
        with Pipeline(cluster.bootstrap_servers, directory, ECG_TABLE_MEMORY_BYTES=str(_TABLE)) as pipeline:
            gateway = await pipeline.start_gateway()
            worker = pipeline.start_worker()
            await pipeline.balanced([worker])
            token = pipeline.register(USERNAME)
            rows = partial(Broker(cluster.bootstrap_servers).records, "ecg.insights")
            await saturation(run, pipeline.gateways, token, WARM_UP, rows)
            rate = await saturation(run, pipeline.gateways, token, run.pick(6.0, 1.5), rows) / 2
            figures.add("memory/rate", rate)
            seconds = run.pick(60 * run.minutes, 8.0)
            run.say(f"memory: {rate:,.0f}/s for {seconds:.0f} s")
            spec = Spec(
                targets=[("127.0.0.1", gateway.port)],
                requests=run.requests("memory", [build_post("/ecgs", token, body) for body in bodies(SMALL)]),
                connections=64,
                seconds=seconds,
                rate=rate,
            )
            pids = dict(zip(PROCESSES, (gateway.pid, worker.pid, cluster.nodes[0].pid or 0), strict=True))
            load = asyncio.create_task(generate(spec))
            keep(await watch(load, pids, seconds / _READINGS), figures, "memory")
            result = load.result()
            figures.add("memory/sent", result.sent)
            figures.add("memory/accepted", result.statuses.get(201, 0))
    return figures


def keep(readings: Sequence[Reading], figures: Figures, part: str) -> None:
    """Add the memory of processes in the course of a run, under the name of a part."""
    for reading in readings:
        figures.add(f"{part}/seconds", reading.time - readings[0].time)
        for name, mib in reading.memory.items():
            figures.add(f"{part}/{name}", mib)


def growth(figures: Figures, process: str, part: str = "memory") -> float:
    """Return the growth of a process in MiB per minute in the second half of the run; in the first, caches fill.

    Return NaN if it was not measured.
    """
    times, memory = figures.rounds(f"{part}/seconds"), figures.rounds(f"{part}/{process}")
    half = len(times) // 2
    return 60 * slope(times[half:], memory[half:]) if times else math.nan


def growths(figures: Figures, processes: Iterable[str], part: str = "memory") -> str:
    """Write the table of the memory of processes."""
    rows = []
    for name in processes:
        memory = figures.values[f"{part}/{name}"]
        middle = memory[len(memory) // 2]
        rows.append([name, *map(number, (memory[0], middle, memory[-1])), f"{growth(figures, name, part):+.2f}"])
    return table(["MiB", "at the start", "half way", "at the end", "growth per minute"], rows)


def section(figures: Figures, plots: Path) -> str:
    """Write the section of the report."""
    times = figures.values["memory/seconds"]
    rate, sent, accepted = (figures.spread(f"memory/{name}").median for name in ("rate", "sent", "accepted"))
    text = f"""## Memory

Memory of one gateway, one worker and the broker at half load, {rate:,.0f} ECGs of {SMALL} per second for
{times[-1] / 60:,.1f} minutes; {accepted:,.0f} of {sent:,.0f} were answered with 201. The worker's table has
{_TABLE // MIB} MiB for its cache and buffers, so that they are full early. The growth is that of the second half.

"""
    text += growths(figures, PROCESSES)
    series = {name: figures.values[f"memory/{name}"] for name in PROCESSES}
    lines(plots / "memory.svg", "Resident memory at half load", times, series, "MiB")
    return text + f"\n![memory]({plots.name}/memory.svg)\n"
