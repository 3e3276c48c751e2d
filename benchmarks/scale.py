"""The rate with more and more workers and gateways."""

from functools import partial
from pathlib import Path

from benchmarks.ecgs import SMALL, USERNAME
from benchmarks.markdown import figure, table
from benchmarks.run import Figures, Run
from benchmarks.saturation import WARM_UP, saturation
from benchmarks.services import SHORT_LIVED, Pipeline, kafka
from benchmarks.topics import Broker

COUNTS = (1, 2, 4)


async def run(run: Run) -> Figures:
    """Measure the rate with each number in turn, round by round."""
    figures = Figures()
    directory = run.directory / "scale"
    async with kafka(run.distribution, directory / "kafka", settings=SHORT_LIVED) as cluster:
        broker = Broker(cluster.bootstrap_servers)
        for i in range(run.pick(2, 1)):
            for count in run.pick(COUNTS, COUNTS[:2]):
                run.say(f"scale: {count} workers and gateways, round {i + 1}")
                rate = await _rate(run, broker, count, directory / f"{i}-{count}", f"scale-{i}-{count}")
                figures.add(f"scale/{count}/rate", rate)
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


def section(figures: Figures, _: Path) -> str:
    """Write the section of the report."""
    text = f"""## Scale

ECGs of {SMALL} per second from submission to row, with as many workers as gateways. **Efficiency** is the rate divided
by their number and by the rate of one of each. All of them share the machine's cores with the broker and the load.

"""
    return text + table(
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
