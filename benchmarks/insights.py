"""All insights beside zero crossings only: the CPU time for one ECG, and queries of a worker that is never idle."""

import asyncio
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.ecgs import LARGE, SAMPLING_RATE, SMALL, USERNAME, Messages, windows
from benchmarks.load import build_get
from benchmarks.machine import cores, pinned
from benchmarks.markdown import figure, ratio, table
from benchmarks.query import CONNECTIONS, ask, filled_rows
from benchmarks.run import Figures, Run
from benchmarks.services import SECRET, Pipeline, kafka
from benchmarks.stats import percentile
from benchmarks.topics import Broker
from shared.ecg import Ecg
from shared.kafka import topics
from stream_agents.insights import selected
from stream_agents.insights.computation import compute

CHOICES = {"all insights": "all", "zero crossings only": "number_of_zero_crossings"}
ALL, CROSSINGS = CHOICES
RATE = 200
_ROWS = 10_000
_SERVING_TIMEOUT = 120.0
_PATIENCE = 300.0
_POLL = 0.05


async def run(run: Run) -> Figures:
    """Measure the CPU time, and then a worker for each choice of insights, in turn."""
    figures = Figures()
    for i in range(run.pick(7, 3)):
        run.say(f"insights: CPU, round {i + 1}")
        _cpu(figures, run.pick(0.5, 0.1))
    directory = run.directory / "insights"
    async with kafka(run.distribution, directory / "kafka") as cluster:
        broker = Broker(cluster.bootstrap_servers)
        for i in range(run.pick(3, 1)):
            for name, chosen in CHOICES.items():
                run.say(f"insights: {name}, round {i + 1}")
                await _saturated(run, broker, directory / f"{chosen}-{i}", name=name, figures=figures)
    return figures


def _cpu(figures: Figures, seconds: float) -> None:
    with pinned(cores()[0]):
        for size in (SMALL, LARGE):
            ecgs = [Ecg("", USERNAME, None, leads, SAMPLING_RATE) for leads in windows(size)]
            for name, chosen in CHOICES.items():
                insights = selected(chosen)
                compute(ecgs[0], insights)
                calls, begun = 0, time.process_time()
                while (used := time.process_time() - begun) < seconds:
                    compute(ecgs[calls % len(ecgs)], insights)
                    calls += 1
                figures.add(f"insights/{size}/{name}/cpu_ms", 1000 * used / calls)


async def _saturated(run: Run, broker: Broker, directory: Path, *, name: str, figures: Figures) -> None:
    """Query a worker while it drains a topic that is longer than the measurement, and again when it is done."""
    prefix = f"insights-{directory.name}"
    submissions, rows = f"{prefix}.submissions", f"{prefix}.insights"
    seconds = run.pick(6.0, 2.0)
    count = round(seconds * (8_000 if name == CROSSINGS else 3_000))
    with ExitStack() as stack:
        pipeline = stack.enter_context(Pipeline(broker.servers, directory, prefix, ECG_INSIGHTS=CHOICES[name]))
        await topics.create(pipeline.settings)
        asked: list[str] = []
        broker.fill(rows, filled_rows(_ROWS, asked))
        messages = Messages(SMALL, packed=True, secret=SECRET, sampling_rate=SAMPLING_RATE)
        broker.fill(submissions, map(messages, range(count)), messages.headers)
        gateway = await pipeline.start_gateway()
        token = pipeline.register(USERNAME)
        requests = run.requests(prefix, [build_get(f"/ecgs/{ecg_id}/insights", token) for ecg_id in asked])
        worker = pipeline.start_worker()
        await worker.says("event=serving", _SERVING_TIMEOUT)
        done = partial(broker.records, rows)
        before, begun = done(), time.monotonic()
        busy = await ask(run, gateway, requests, RATE, seconds)
        figures.add(f"insights/{name}/rate", (done() - before) / (time.monotonic() - begun))
        if done() >= _ROWS + count:
            raise RuntimeError(f"{count} submissions are too few: the worker was done before the measurement")
        deadline = time.monotonic() + _PATIENCE
        while done() < _ROWS + count:
            worker.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"the worker did not drain {count} submissions")
            await asyncio.sleep(_POLL)
        idle = await ask(run, gateway, requests, RATE, seconds)
        for percent in (50, 99):
            figures.add(f"insights/{name}/busy_p{percent}", percentile(busy.latencies, percent))
            figures.add(f"insights/{name}/idle_p{percent}", percentile(idle.latencies, percent))
        # A worker that does not send heartbeats in time is taken out of its group, and has to be assigned again.
        figures.add(f"insights/{name}/assignments", worker.log.read_text().count("event=serving"))
    broker.delete(submissions, rows)


def section(figures: Figures, _: Path) -> str:
    """Write the section of the report."""
    text = f"""## Insights

CPU milliseconds for one ECG with its sampling rate, on one core. Then a worker drains a topic of ECGs of {SMALL} that
is longer than the measurement, and answers queries meanwhile: milliseconds from the time at which a request was due at
{RATE}/s, {CONNECTIONS} connections, through a gateway that has nothing else to do; and again when the topic is drained.
**assignments** counts how often the worker was given its partitions: once, unless heartbeats come too late.

"""
    columns = [
        *("", *(f"{size}: CPU ms" for size in (SMALL, LARGE)), "ECGs/s", "queries: p50", "p99"),
        *("p99 to that with zero crossings only", "drained: p50", "p99", "assignments"),
    ]
    rows = [
        [
            name,
            *(figure(figures.spread(f"insights/{size}/{name}/cpu_ms")) for size in (SMALL, LARGE)),
            figure(figures.spread(f"insights/{name}/rate")),
            *(figure(figures.spread(f"insights/{name}/busy_p{percent}")) for percent in (50, 99)),
            ratio(figures.ratio(f"insights/{name}/busy_p99", f"insights/{CROSSINGS}/busy_p99")),
            *(figure(figures.spread(f"insights/{name}/idle_p{percent}")) for percent in (50, 99)),
            f"{max(figures.values[f'insights/{name}/assignments']):.0f}",
        ]
        for name in CHOICES
    ]
    return text + table(columns, rows)
