"""Freshness: the time from an ECG's 201 until its insights can be read."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.contenders import CONSUMERS, NAIVE_TOPIC, naive_gateway
from benchmarks.ecgs import SMALL, USERNAME, bodies
from benchmarks.load import Follow, Spec, build_post, headers
from benchmarks.markdown import figure, number, ratio, table
from benchmarks.run import Figures, Run, generate
from benchmarks.saturation import WARM_UP, saturation
from benchmarks.services import SHORT_LIVED, Pipeline, Service, kafka
from benchmarks.stats import percentile, spread
from benchmarks.topics import Broker

SHARES = (25, 50, 75)
PERCENTS = (50, 99, 99.9)
OURS, NAIVE = "ours", "naive gateway and Faust agent"
_FOLLOWED = 40.0
_INTERVAL = 0.004
_CONNECTIONS = 256
_GROUP = "naive-pipeline"


async def run(run: Run) -> Figures:
    """Measure the pipeline's rate, and then the freshness at shares of this rate."""
    figures = Figures()
    directory = run.directory / "freshness"
    async with kafka(run.distribution, directory / "kafka", settings=SHORT_LIVED) as cluster:
        broker = Broker(cluster.bootstrap_servers)
        broker.create(NAIVE_TOPIC, 12)
        with ExitStack() as stack:
            naive = naive_gateway(broker.servers, directory)
            agent = CONSUMERS["naive Faust agent"].service(
                run.distribution,
                servers=broker.servers,
                topic=NAIVE_TOPIC,
                group=_GROUP,
                packed=False,
                directory=directory,
            )
            pipeline = stack.enter_context(Pipeline(broker.servers, directory))
            for service in (naive, agent):
                stack.callback(service.stop)
                service.start()
            await pipeline.start_gateway()
            await pipeline.balanced([pipeline.start_worker()])
            await naive.listens()
            token = pipeline.register(USERNAME)
            contenders = {
                OURS: (pipeline.gateways, partial(broker.records, "ecg.insights")),
                NAIVE: ([naive], partial(broker.records, f"{_GROUP}-insights-changelog")),
            }
            for gateways, rows in contenders.values():
                await saturation(run, gateways, token, WARM_UP, rows)
            for i in range(run.pick(3, 2)):
                run.say(f"freshness: saturation, round {i + 1}")
                for name, (gateways, rows) in contenders.items():
                    rate = await saturation(run, gateways, token, run.pick(6.0, 1.5), rows)
                    figures.add(f"freshness/{name}/rate", rate)
            rate = spread(figures.values[f"freshness/{OURS}/rate"]).median
            for i in range(run.pick(2, 1)):
                for share in SHARES:
                    run.say(f"freshness: {share} % of {rate:,.0f}/s, round {i + 1}")
                    await _fresh(run, pipeline.gateways[0], token, share=share, rate=rate, figures=figures)
    return figures


async def _fresh(run: Run, gateway: Service, token: str, *, share: int, rate: float, figures: Figures) -> None:
    spec = Spec(
        targets=[("127.0.0.1", gateway.port)],
        requests=run.requests("freshness", [build_post("/ecgs", token, body) for body in bodies(SMALL)]),
        connections=_CONNECTIONS,
        seconds=run.pick(25.0, 3.0),
        warmup=run.pick(2.0, 0.5),
        rate=share / 100 * rate,
        follow=Follow(_FOLLOWED, _INTERVAL, headers(token)),
    )
    result = await generate(spec)
    if set(result.statuses) != {201}:
        raise RuntimeError(f"at {share} %: {result.statuses}")
    for percent in PERCENTS:
        figures.add(f"freshness/{share}/p{percent}", percentile(result.fresh, percent))
    figures.add(f"freshness/{share}/followed", len(result.fresh))
    figures.add(f"freshness/{share}/stale", result.stale)


def section(figures: Figures, _: Path) -> str:
    """Write the section of the report."""
    rates = {name: f"freshness/{name}/rate" for name in (OURS, NAIVE)}
    text = f"""## Through the pipeline

ECGs of {SMALL} per second from submission to row: their number, submitted in a closed loop, over the time until the row
of the last one is on the changelog. One gateway and one worker share the machine's cores with the broker and the load.

"""
    text += table(
        ["", "ECGs/s", "ours to it"],
        [[name, figure(figures.spread(key)), ratio(figures.ratio(rates[OURS], key))] for name, key in rates.items()],
    )
    text += f"""
Milliseconds from a submission's 201 to the 200 of its insights, of up to {_FOLLOWED:.0f} submissions a second. Each is
polled over HTTP every {1000 * _INTERVAL:.0f} ms at first, later after pauses of a twentieth of the time waited. The
submissions arrive in an open loop, at a share of the rate above. Those without insights when the measurement ends, two
seconds after the last submission, count with the time waited until then.

"""
    return text + table(
        ["load", *(f"p{percent}" for percent in PERCENTS), "followed", "of them without insights at the end"],
        [
            [
                f"{share} %",
                *(figure(figures.spread(f"freshness/{share}/p{percent}")) for percent in PERCENTS),
                *(number(sum(figures.values[f"freshness/{share}/{count}"])) for count in ("followed", "stale")),
            ]
            for share in SHARES
        ],
    )
