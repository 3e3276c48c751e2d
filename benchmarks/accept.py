"""Rate and latency of accepting submissions."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx

from benchmarks.contenders import NAIVE_TOPIC, naive_gateway, plain_service
from benchmarks.ecgs import LARGE, SMALL, USERNAME, Size, batches, bodies, packed_bodies
from benchmarks.load import Result, Spec, build_post
from benchmarks.machine import cpu_seconds
from benchmarks.markdown import bullets, figure, ratio, table
from benchmarks.plots import bars
from benchmarks.run import Figures, Run, generate
from benchmarks.services import SHORT_LIVED, Pipeline, Service, kafka
from benchmarks.stats import percentile
from benchmarks.topics import Broker
from shared.encoding import packed

CONNECTIONS = 16
RATES = {SMALL: (200, 1000), LARGE: (40, 200)}
_OPEN_CONNECTIONS = 256
_PERCENTS = (50, 99)
_SETTLED, _SETTLE_TIMEOUT = 0.2, 15.0
_OK, _CREATED = 200, 201
# The answers of a gateway that does not know a call, or not with this type of body.
_UNKNOWN = {404, 405, 415}
_BATCH = 64

OURS, PACKED, TWO = "ours", "ours, packed", "ours, two gateways"
BATCHES = f"ours, packed, {_BATCH} in each request"
NAIVE, PLAIN = "naive gateway", "plain service"
_ALONE = (OURS, PACKED, NAIVE, PLAIN)
_WHAT = {
    OURS: "authenticates, validates every field, and has the broker's acknowledgement (acks=all) before the 201.",
    PACKED: f"the same gateway, with bodies of the type `{packed.CONTENT_TYPE}`. All others get JSON.",
    BATCHES: "the same gateway again, with many ECGs in one request; p99 is that of a request.",
    NAIVE: "pydantic, json, aiokafka with acks=all. No authentication, no limits.",
    PLAIN: "pydantic, insights by a background task in pure Python, results in a dict. No authentication, no limits; "
    "its 201 is **not durable**, a restart loses everything. It also computes the insights, in the same process.",
}


@dataclass(frozen=True)
class Form:
    """A form of submissions: the type and the content of their bodies, and how many ECGs each holds."""

    content_type: str
    bodies: Callable[[Size], list[bytes]]
    path: str = "/ecgs"
    each: int = 1
    success: int = _CREATED


FORMS = {
    "JSON": Form("application/json", bodies),
    "packed": Form(packed.CONTENT_TYPE, packed_bodies),
    "in batches": Form(packed.CONTENT_TYPE, partial(batches, _BATCH), "/ecgs/batch", _BATCH, _OK),
}


@dataclass(frozen=True)
class Contender:
    """One or more gateways, the token that they accept, and the form in which they get submissions."""

    services: list[Service]
    token: str = "none"  # noqa: S105 - the peers need no token
    form: Form = FORMS["JSON"]

    async def knows_form(self) -> bool:
        """Return False if the gateway, such as one of an older revision, does not know the form."""
        headers = {"x-user-token": self.token, "content-type": self.form.content_type}
        url, body = f"http://127.0.0.1:{self.services[0].port}{self.form.path}", self.form.bodies(SMALL)[0]
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            answer = await client.post(url, content=body, headers=headers)
        return answer.status_code not in _UNKNOWN

    def posts(self, size: Size) -> list[bytes]:
        """Return requests that submit ECGs."""
        form = self.form
        return [build_post(form.path, self.token, body, form.content_type) for body in form.bodies(size)]

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
    async with kafka(run.distribution, directory / "kafka", settings=SHORT_LIVED) as cluster:
        with ExitStack() as stack:
            pipeline = stack.enter_context(Pipeline(cluster.bootstrap_servers, directory))
            contenders = await _start(stack, pipeline, cluster.bootstrap_servers, directory)
            contenders = await warm(run, contenders)
            for i in range(run.pick(3, 1)):
                run.say(f"accept: round {i + 1}")
                await _round(run, contenders, figures)
    return figures


async def warm(run: Run, contenders: Mapping[str, Contender]) -> dict[str, Contender]:
    """Return the contenders that know their form, warmed up: the first requests meet cold caches and code."""
    warmed = {}
    for name, contender in contenders.items():
        if await contender.knows_form():
            await load(run, contender, SMALL)
            warmed[name] = contender
        else:
            run.say(f"{name} is not measured: this gateway does not know the form")
    return warmed


def section(figures: Figures, plots: Path) -> str:
    """Write the section of the report."""
    text = f"""## Accepting submissions

ECGs that one gateway process accepts in a second, with {CONNECTIONS} connections that each send the next request when
the one before is answered; **p99** is the 99th percentile of the time to the answer. Broker and load generator share
the machine's cores. **CPU** is that of the gateway's process.

"""
    names = [name for name in (OURS, PACKED, BATCHES, TWO, NAIVE, PLAIN) if f"accept/{SMALL}/{name}/rate" in figures]
    for size in RATES:
        key = f"accept/{size}"
        text += f"**{size}**\n\n" + table(
            ["", "ECGs/s", "to the plain service", "p99 ms", "CPU ms per ECG"],
            [
                [
                    name,
                    figure(figures.spread(f"{key}/{name}/rate")),
                    ratio(figures.ratio(f"{key}/{name}/rate", f"{key}/{PLAIN}/rate")),
                    figure(figures.spread(f"{key}/{name}/p99")),
                    figure(figures.spread(f"{key}/{name}/cpu_ms")),
                ]
                for name in names
            ],
        )
        spreads = [figures.spread(f"{key}/{name}/rate") for name in names]
        bars(plots / f"accept-{size}.svg", f"accepted ECGs per second, {size}", names, spreads)
        text += f"\n![accepted ECGs per second]({plots.name}/accept-{size}.svg)\n\n"
    text += """Milliseconds from the time at which a request was due, at fixed rates, to its 201. A contender which
cannot keep up falls further behind for as long as the load lasts: its queue grows, and it has no latency to report.

"""
    loads = [(f"{size}, {rate}/s", f"{size}/{{}}/{rate}") for size, rates in RATES.items() for rate in rates]
    alone = [name for name in names if name in _ALONE]
    rows = [
        [f"{label}, p{percent}", *(_latency(figures, f"accept/{key.format(name)}", percent) for name in alone)]
        for label, key in loads
        for percent in _PERCENTS
    ]
    return text + table(["", *alone], rows) + "\n" + bullets({name: _WHAT[name] for name in names if name in _WHAT})


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
        PACKED: Contender(gateways[:1], token, FORMS["packed"]),
        BATCHES: Contender(gateways[:1], token, FORMS["in batches"]),
        TWO: Contender(gateways, token),
        NAIVE: Contender([naive]),
        PLAIN: Contender([plain]),
    }


async def _round(run: Run, contenders: dict[str, Contender], figures: Figures) -> None:
    for size, rates in RATES.items():
        for name, contender in contenders.items():
            await measure(run, contender, size, f"accept/{size}/{name}", figures)
        for rate in rates:
            for name in (name for name in _ALONE if name in contenders):
                result = await load(run, contenders[name], size, rate)
                figures.add(f"accept/{size}/{name}/{rate}/unanswered", result.unanswered)
                for percent in _PERCENTS:
                    figures.add(f"accept/{size}/{name}/{rate}/p{percent}", percentile(result.latencies, percent))


async def measure(run: Run, contender: Contender, size: Size, key: str, figures: Figures) -> None:
    """Submit ECGs in a closed loop, and add the rate, the latency and the CPU time."""
    before = contender.cpu()
    result = await load(run, contender, size)
    used = contender.cpu() - before
    each = contender.form.each
    figures.add(f"{key}/rate", result.answered * each / result.seconds)
    figures.add(f"{key}/p99", percentile(result.latencies, 99))
    figures.add(f"{key}/cpu_ms", 1000 * used / result.sent / each)


async def load(run: Run, contender: Contender, size: Size, rate: float | None = None) -> Result:
    """Submit ECGs, in a closed loop or at a fixed rate, and wait until the contender is idle again.

    Raises:
        RuntimeError: if an answer is no success.
    """
    spec = Spec(
        targets=[("127.0.0.1", service.port) for service in contender.services],
        requests=run.requests("accept", contender.posts(size)),
        connections=CONNECTIONS if rate is None else _OPEN_CONNECTIONS,
        seconds=run.pick(4.0, 1.2),
        warmup=run.pick(0.5, 0.3),
        rate=rate,
    )
    result = await generate(spec)
    await contender.settle()
    # A subset: a contender that falls behind may not have answered at all yet.
    if not set(result.statuses) <= {contender.form.success}:
        raise RuntimeError(f"a gateway answered {result.statuses}")
    return result
