"""Rate and latency of accepting submissions."""

import asyncio
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contenders import NAIVE_TOPIC, naive_gateway, plain_service
from benchmarks.load import Result, Spec, build_post
from benchmarks.machine import cpu_seconds
from benchmarks.markdown import bullets, figure, ratio, table
from benchmarks.plots import bars
from benchmarks.recordings import LARGE, SMALL, USERNAME, Size, bodies
from benchmarks.run import Figures, Run, generate
from benchmarks.services import SHORT_LIVED, Pipeline, Service, kafka
from benchmarks.stats import percentile
from benchmarks.topics import Broker

CONNECTIONS = 16
RATES = {SMALL: (200, 1000), LARGE: (40, 200)}
_OPEN_CONNECTIONS = 256
_PERCENTS = (50, 99)
_SETTLED, _SETTLE_TIMEOUT = 0.2, 15.0
_CREATED = 201

OURS, TWO, NAIVE, PLAIN = "ours", "ours, two gateways", "naive gateway", "plain service"
_ALONE = (OURS, NAIVE, PLAIN)
_WHAT = {
    OURS: "authenticates, validates every field, and has the broker's acknowledgement (acks=all) before the 201.",
    NAIVE: "pydantic, json, aiokafka with acks=all. No authentication, no limits.",
    PLAIN: "pydantic, insights by a background task in pure Python, results in a dict. No authentication, no limits; "
    "its 201 is **not durable**, a restart loses everything. It also computes the insights, in the same process.",
}


@dataclass(frozen=True)
class Contender:
    """One or more gateways, and the token that they accept."""

    services: list[Service]
    token: str = "none"  # noqa: S105 - the peers need no token

    def cpu(self) -> float:
        """Return the CPU seconds used so far."""
        return sum(cpu_seconds(service.pid) for service in self.services)

    async def settle(self) -> None:
        """Wait until the gateways are idle: a backlog is still processed after the load generator has ended."""
        deadline = time.monotonic() + _SETTLE_TIMEOUT
        while time.monotonic() < deadline:
            before = self.cpu()
            await asyncio.sleep(_SETTLED)
            if self.cpu() - before < _SETTLED / 10:
                return


async def run(run: Run) -> Figures:
    """Measure every contender in turn, round by round."""
    figures = Figures()
    directory = run.directory / "accept"
    async with kafka(run.distribution, directory / "kafka", **SHORT_LIVED) as cluster:
        with ExitStack() as stack:
            pipeline = stack.enter_context(Pipeline(cluster.bootstrap_servers, directory))
            contenders = await _start(stack, pipeline, cluster.bootstrap_servers, directory)
            for contender in contenders.values():
                # Warm up: the first requests meet cold caches, connections and code.
                await load(run, contender, SMALL)
            for i in range(run.pick(3, 1)):
                run.say(f"accept: round {i + 1}")
                await _round(run, contenders, figures)
    return figures


def section(figures: Figures, plots: Path) -> str:
    """Write the section of the report."""
    text = f"""## Accepting submissions

201s per second of one gateway process with {CONNECTIONS} connections that each send the next ECG when the one before is
answered; **p99** is the 99th percentile of the time to the answer. Broker and load generator share the machine's cores.
**CPU** is that of the gateway's process.

"""
    for size in RATES:
        key = f"accept/{size}"
        text += f"**{size}**\n\n" + table(
            ["", "201s/s", "ours to it", "p99 ms", "CPU ms per ECG"],
            [
                [
                    name,
                    figure(figures.spread(f"{key}/{name}/rate")),
                    ratio(figures.ratio(f"{key}/{OURS}/rate", f"{key}/{name}/rate")),
                    figure(figures.spread(f"{key}/{name}/p99")),
                    figure(figures.spread(f"{key}/{name}/cpu_ms")),
                ]
                for name in (OURS, TWO, NAIVE, PLAIN)
            ],
        )
        labels = [OURS, TWO, NAIVE, PLAIN]
        spreads = [figures.spread(f"{key}/{name}/rate") for name in labels]
        bars(plots / f"accept-{size}.svg", f"201s per second, {size}", labels, spreads)
        text += f"\n![201s per second]({plots.name}/accept-{size}.svg)\n\n"
    text += """Milliseconds from the time at which a request was due, at fixed rates, to its 201. A contender which
cannot keep up falls further behind for as long as the load lasts: its queue grows, and it has no latency to report.

"""
    loads = [(f"{size}, {rate}/s", f"{size}/{{}}/{rate}") for size, rates in RATES.items() for rate in rates]
    rows = [
        [f"{label}, p{percent}", *(_latency(figures, f"accept/{key.format(name)}", percent) for name in _ALONE)]
        for label, key in loads
        for percent in _PERCENTS
    ]
    return text + table(["", *_ALONE], rows) + "\n" + bullets(_WHAT)


def _latency(figures: Figures, key: str, percent: int) -> str:
    fell_behind = figures.spread(f"{key}/unanswered").median > 0
    return "falls behind" if fell_behind else figure(figures.spread(f"{key}/p{percent}"))


async def _start(stack: ExitStack, pipeline: Pipeline, servers: str, directory: Path) -> dict[str, Contender]:
    gateways = [await pipeline.start_gateway() for _ in range(2)]
    token = pipeline.register(USERNAME)
    Broker(servers).create(NAIVE_TOPIC, 12)
    naive, plain = naive_gateway(servers, directory), plain_service(directory)
    for peer in (naive, plain):
        stack.callback(peer.stop)
        peer.start()
        await peer.listens()
    return {
        OURS: Contender(gateways[:1], token),
        TWO: Contender(gateways, token),
        NAIVE: Contender([naive]),
        PLAIN: Contender([plain]),
    }


async def _round(run: Run, contenders: dict[str, Contender], figures: Figures) -> None:
    for size, rates in RATES.items():
        for name, contender in contenders.items():
            before = contender.cpu()
            result = await load(run, contender, size)
            used = contender.cpu() - before
            figures.add(f"accept/{size}/{name}/rate", result.answered / result.seconds)
            figures.add(f"accept/{size}/{name}/p99", percentile(result.latencies, 99))
            figures.add(f"accept/{size}/{name}/cpu_ms", 1000 * used / result.sent)
        for rate in rates:
            for name in _ALONE:
                result = await load(run, contenders[name], size, rate)
                figures.add(f"accept/{size}/{name}/{rate}/unanswered", result.unanswered)
                for percent in _PERCENTS:
                    figures.add(f"accept/{size}/{name}/{rate}/p{percent}", percentile(result.latencies, percent))


async def load(
    run: Run, contender: Contender, size: Size, rate: float | None = None, requests: str = "accept"
) -> Result:
    """Submit ECGs, in a closed loop or at a fixed rate, and wait until the contender is idle again.

    `requests` is the name of the file to which the requests are written.

    Raises:
        RuntimeError: if an answer is not a 201.
    """
    posts = [build_post("/ecgs", contender.token, body) for body in bodies(size)]
    spec = Spec(
        targets=[("127.0.0.1", service.port) for service in contender.services],
        requests=run.requests(requests, posts),
        connections=CONNECTIONS if rate is None else _OPEN_CONNECTIONS,
        seconds=run.pick(4.0, 1.2),
        warmup=run.pick(0.5, 0.3),
        rate=rate,
    )
    result = await generate(spec)
    await contender.settle()
    # A subset: a contender that falls behind may not have answered at all yet.
    if not set(result.statuses) <= {_CREATED}:
        raise RuntimeError(f"a gateway answered {result.statuses}")
    return result
