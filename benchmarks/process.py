"""The rate at which a preloaded topic is processed into a table, on one core."""

import asyncio
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import contenders
from benchmarks.contenders import CONSUMERS
from benchmarks.ecgs import LARGE, SMALL, Messages, Size
from benchmarks.machine import cores, cpu_seconds
from benchmarks.markdown import bullets, figure, ratio, table
from benchmarks.plots import bars
from benchmarks.run import Figures, Run
from benchmarks.services import PRESENT, SECRET, Code, Pipeline, Service, kafka
from benchmarks.topics import Broker
from shared.kafka import topics

OURS = "ours"
PARTITIONS = 12
COUNTS = {SMALL: (16_000, 8_000), LARGE: (3_000, 1_500)}
"""The submissions of a topic, in a full and in a quick run."""

_WARM = 0.2
_POLL = 0.02
_PATIENCE = 60.0
_WHAT = {
    OURS: "one worker: validates every field, checks id and owner against the table, counts zero crossings, writes the "
    "changelog, waits for its acknowledgement, then writes the table.",
    **{name: consumer.what for name, consumer in CONSUMERS.items()},
}


@dataclass(frozen=True)
class Sample:
    """The number of submissions processed by a time (seconds), and the CPU seconds used until then."""

    time: float
    done: int
    cpu: float


@dataclass(frozen=True)
class Drain:
    """The steady state of a drain: submissions per second, and CPU milliseconds per submission."""

    rate: float
    cpu_ms: float


@dataclass(frozen=True)
class Load:
    """The messages of a preloaded topic: the size of their ECGs, their encoding and their number."""

    size: Size
    packed: bool
    count: int

    @property
    def prefix(self) -> str:
        """The prefix of the topics' names."""
        return f"{self.encoding}-{self.size.samples}"

    @property
    def encoding(self) -> str:
        """The encoding's name."""
        return "packed" if self.packed else "json"

    @property
    def topic(self) -> str:
        """The topic's name."""
        return f"{self.prefix}.submissions"


def steady(samples: list[Sample], total: int) -> Drain | None:
    """Return the drain between two samples that show progress: the first with a fifth done, and the last.

    Return None if there are not two such samples.
    """
    progress = [after for before, after in itertools.pairwise(samples) if after.done > before.done]
    warm = [sample for sample in progress if sample.done >= _WARM * total]
    if len(warm) < 2:  # noqa: PLR2004 - two moments
        return None
    first, last = warm[0], warm[-1]
    done = last.done - first.done
    return Drain(done / (last.time - first.time), 1000 * (last.cpu - first.cpu) / done)


async def run(run: Run) -> Figures:
    """Measure every contender in turn, round by round, with the same messages."""
    contenders.build_kafka_streams()
    figures = Figures()
    directory = run.directory / "process"
    core, broker_core = cores()
    loads = [
        Load(size, packed, run.pick(*counts))
        for size, counts in COUNTS.items()
        for packed in run.pick((False, True), (True,))
    ]
    async with kafka(run.distribution, directory / "kafka", broker_core) as cluster:
        broker = Broker(cluster.bootstrap_servers)
        drains = Drains(run, broker, directory, core)
        for load in loads:
            run.say(f"process: preloading {load.count} submissions, {load.size}, {load.encoding}")
            await fill(broker, load, directory)
        for i in range(run.pick(3, 1)):
            for load in loads:
                for name in _WHAT:
                    drain = await drains.measure(name, load, i)
                    run.say(f"process: {load.prefix}, {name}: {drain.rate:,.0f}/s")
                    figures.add(f"process/{load.size}/{load.encoding}/{name}/rate", drain.rate)
                    figures.add(f"process/{load.size}/{load.encoding}/{name}/cpu_ms", drain.cpu_ms)
    return figures


async def fill(broker: Broker, load: Load, directory: Path) -> None:
    """Create the topics of a load, and produce its submissions."""
    await topics.create(Pipeline(broker.servers, directory, load.prefix, PRESENT, **broker.env).settings)
    messages = Messages(load.size, load.packed, SECRET)
    broker.fill(load.topic, map(messages, range(load.count)), messages.headers)


@dataclass(frozen=True)
class Drains:
    """Measures contenders on a broker, each on one core."""

    run: Run
    broker: Broker
    directory: Path
    core: int

    async def measure(self, name: str, load: Load, number: int) -> Drain:
        """Drain a topic from its beginning with the named contender."""
        if name == OURS:
            return await self.ours(load, self.directory / f"ours-{load.prefix}-{number}")
        return await self._peer(name, load, f"peer-{list(CONSUMERS).index(name)}-{load.prefix}-{number}")

    async def ours(self, load: Load, directory: Path, code: Code = PRESENT, **settings: str) -> Drain:
        """Drain a topic with our worker."""
        output = f"{load.prefix}.insights"
        settings = {**self.broker.env, "ECG_INSIGHTS": "number_of_zero_crossings", **settings}
        with Pipeline(self.broker.servers, directory, load.prefix, code, **settings) as pipeline:
            worker = pipeline.start_worker(self.core)
            drain = await _watch(self.run, worker, load.count, partial(self.broker.records, output))
        # So that the next round starts from the beginning, with an empty table.
        self.broker.forget(f"{load.prefix}-stream-agents")
        self.broker.delete(output)
        return drain

    async def _peer(self, name: str, load: Load, group: str) -> Drain:
        consumer = CONSUMERS[name]
        output = consumer.output(group, load.topic) if consumer.output else None
        if output == f"{group}-out":
            self.broker.create(output, PARTITIONS)
        service = consumer.service(
            self.run.distribution,
            servers=self.broker.servers,
            topic=load.topic,
            group=group,
            packed=load.packed,
            directory=self.directory,
            core=self.core,
        )
        service.start()
        try:
            if output is None:
                return await _listen(self.run, service, load.count)
            return await _watch(self.run, service, load.count, partial(self.broker.records, output))
        finally:
            service.kill()
            if output:
                self.broker.delete(output)


async def _watch(run: Run, service: Service, total: int, done: Callable[[], int]) -> Drain:
    """Watch the output topic, the size of which `done` returns, until the drain can be measured."""
    samples: list[Sample] = []

    def look() -> list[Sample]:
        samples.append(Sample(time.monotonic(), done(), cpu_seconds(service.pid)))
        return samples

    return await _until_steady(run, service, total, look)


async def _listen(run: Run, service: Service, total: int) -> Drain:
    """Read the progress that a program prints, until the drain can be measured."""

    def look() -> list[Sample]:
        lines = [line.split() for line in service.log.read_text().splitlines(keepends=True) if line.endswith("\n")]
        return [Sample(float(line[1]), int(line[2]), float(line[3])) for line in lines if line[0] == "done"]

    return await _until_steady(run, service, total, look)


async def _until_steady(run: Run, service: Service, total: int, look: Callable[[], list[Sample]]) -> Drain:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        service.check()
        samples = look()
        warm = [sample.time for sample in samples if sample.done >= _WARM * total]
        if warm and (samples[-1].done >= total or samples[-1].time - warm[0] > run.pick(4.0, 1.5)):
            if drain := steady(samples, total):
                return drain
            if samples[-1].done >= total:
                raise ValueError(f"{service.name} made progress only once, {total} submissions are too few")
        await asyncio.sleep(_POLL)
    raise TimeoutError(f"{service.name} did not drain {total} within {_PATIENCE:.0f} s")


def section(figures: Figures, plots: Path) -> str:
    """Write the section of the report."""
    text = """## Processing

A topic of 12 partitions is filled first. Then one process drains it on a core of its own, with the broker on the other.
The **rate** is measured between two times at which records appeared on the topic of the contender's results (its
changelog; FastStream: its output topic), according to the end offsets of that topic: the first with at least a fifth of
the submissions done, and the last. This leaves out start-up, joining the group and warming up. The two that write no
results print how many records they have read. **CPU** is the CPU time of the process between these two times.

"""
    for size in (SMALL, LARGE):
        text += f"**{size}**, ECGs per second and core\n\n"
        rows = []
        for name in _WHAT:
            row = [name]
            for encoding in ("json", "packed"):
                key, ours = f"process/{size}/{encoding}/{name}", f"process/{size}/{encoding}/{OURS}"
                row += [
                    figure(figures.spread(f"{key}/rate")),
                    ratio(figures.ratio(f"{ours}/rate", f"{key}/rate")),
                    figure(figures.spread(f"{key}/cpu_ms")),
                ]
            rows.append(row)
        columns = [f"{encoding}{what}" for encoding in ("JSON", "packed") for what in ("", ": ours to it", ": CPU ms")]
        text += table(["", *columns], rows)
        for encoding in ("json", "packed"):
            path = plots / f"process-{size}-{encoding}.svg"
            if f"process/{size}/{encoding}/{OURS}/rate" not in figures:
                continue
            spreads = [figures.spread(f"process/{size}/{encoding}/{name}/rate") for name in _WHAT]
            bars(path, f"ECGs per second and core, {size}, {encoding}", list(_WHAT), spreads, log=True)
            text += f"\n![ECGs per second]({plots.name}/{path.name})\n"
        text += "\n"
    return text + bullets(_WHAT)
