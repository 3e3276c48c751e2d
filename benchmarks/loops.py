"""The CPU time that uvloop would save compared with asyncio's loop: `python -m benchmarks.loops [--quick]`.

It prints a table and is not a part of the report: it answers the question of docs/decisions/0023-event-loop.md.
"""

import argparse
import asyncio
import shutil
from contextlib import ExitStack

from benchmarks import accept, process
from benchmarks.machine import cores
from benchmarks.markdown import figure, table
from benchmarks.recordings import LARGE, SMALL, USERNAME, Messages, Size
from benchmarks.run import Figures, Run
from benchmarks.services import ROOT, SECRET, SHORT_LIVED, Command, Pipeline, kafka, python
from benchmarks.stats import Spread, spread
from benchmarks.topics import Broker
from local_stack.kafka import install
from shared.kafka import topics

_WORK = ROOT / "build" / "benchmarks" / "loops"
_COMMANDS: dict[str, Command] = {
    "asyncio": python,
    "uvloop": lambda module: [*python("benchmarks.on_uvloop"), module],
}
_GATEWAY, _WORKER = "gateway, accepting", "worker"
_COUNTS = {SMALL: (16_000, 8_000), LARGE: (3_000, 1_500)}


async def _accept(run: Run, figures: Figures) -> None:
    """Measure both gateways in closed loops at the same time, so that a disturbance affects both."""
    async with kafka(run.distribution, run.directory / "kafka", **SHORT_LIVED) as cluster:
        with ExitStack() as stack:
            contenders = {}
            for loop, command in _COMMANDS.items():
                directory = run.directory / loop
                pipeline = Pipeline(cluster.bootstrap_servers, directory, command=command)
                stack.enter_context(pipeline)
                gateway = await pipeline.start_gateway()
                contenders[loop] = accept.Contender([gateway], pipeline.register(f"{USERNAME}-{loop}"))
            for contender in contenders.values():
                await accept.load(run, contender, SMALL)
            for i in range(run.pick(10, 2)):
                run.say(f"accepting: round {i + 1}")
                for size in _COUNTS:
                    used = await asyncio.gather(*(_cpu_ms(run, loop, c, size) for loop, c in contenders.items()))
                    for loop, cpu_ms in zip(contenders, used, strict=True):
                        figures.add(f"{_GATEWAY}/{size}/{loop}", cpu_ms)


async def _cpu_ms(run: Run, loop: str, contender: accept.Contender, size: Size) -> float:
    before = contender.cpu()
    result = await accept.load(run, contender, size, requests=loop)
    return 1000 * (contender.cpu() - before) / result.sent


async def _process(run: Run, figures: Figures) -> None:
    """Measure workers in turn, each draining the same topic; the order is reversed from round to round."""
    core, broker_core = cores()
    async with kafka(run.distribution, run.directory / "kafka-2", broker_core) as cluster:
        broker = Broker(cluster.bootstrap_servers)
        drains = process.Drains(run, broker, run.directory, core)
        loads = [process.Load(size, True, run.pick(*counts)) for size, counts in _COUNTS.items()]
        for load in loads:
            await topics.create(Pipeline(broker.servers, run.directory, load.prefix).settings)
            messages = Messages(load.size, load.packed, SECRET)
            broker.fill(load.topic, map(messages, range(load.count)), messages.headers)
        for i in range(run.pick(8, 1)):
            run.say(f"processing: round {i + 1}")
            for load in loads:
                for loop, command in list(_COMMANDS.items())[:: 1 if i % 2 else -1]:
                    drain = await drains.ours(load, run.directory / f"{loop}-{load.prefix}-{i}", command)
                    figures.add(f"{_WORKER}/{load.size}/{loop}", drain.cpu_ms)


def _saving(figures: Figures, key: str) -> Spread:
    """Return the share of CPU that uvloop saves, in percent."""
    pairs = zip(figures.values[f"{key}/asyncio"], figures.values[f"{key}/uvloop"], strict=True)
    return spread([100 * (1 - other / own) for own, other in pairs])


def _report(figures: Figures) -> str:
    keys = [f"{what}/{size}" for what in (_GATEWAY, _WORKER) for size in _COUNTS]
    rows = [
        [
            key.replace("/", " "),
            *(figure(figures.spread(f"{key}/{loop}")) for loop in _COMMANDS),
            figure(_saving(figures, key), " %"),
        ]
        for key in keys
    ]
    return table(["CPU ms per ECG", *_COMMANDS, "uvloop saves"], rows)


async def _main(quick: bool) -> None:
    shutil.rmtree(_WORK, ignore_errors=True)
    _WORK.mkdir(parents=True)
    figures = Figures()
    run = Run(install(), _WORK, quick)
    await _accept(run, figures)
    await _process(run, figures)
    print(_report(figures))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="benchmarks.loops", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    asyncio.run(_main(parser.parse_args().quick))
