"""Variants of the pipeline: a revision beside the present code, or a setting beside its default.

They take turns in one run, in reversed order every other round, so that a disturbance of the machine affects all.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import accept, process, query
from benchmarks.accept import FORMS, Contender
from benchmarks.ecgs import USERNAME, Size
from benchmarks.machine import cores
from benchmarks.markdown import figure, ratio, table
from benchmarks.run import Figures, Run
from benchmarks.services import PRESENT, SHORT_LIVED, Code, Pipeline, kafka
from benchmarks.topics import Broker
from local_stack.certificates import Authority
from local_stack.kafka import Security

_ROWS = 10_000
_READING = "reading insights"
_METRICS = {"rate": "per second", "cpu_ms": "CPU ms for each", "p50": "p50 ms", "p99": "p99 ms"}


@dataclass(frozen=True)
class Variant:
    """A way to run gateways and workers; with `secure`, all their connections to Kafka and each other use TLS."""

    name: str
    code: Code = PRESENT
    settings: Mapping[str, str] = field(default_factory=dict)
    secure: bool = False


@dataclass(frozen=True)
class Comparison:
    """A comparison of variants by ECGs of some sizes; the names of its figures begin with `key`."""

    key: str
    variants: Sequence[Variant]
    sizes: Sequence[Size]
    rounds: int = 3

    async def accept(self, run: Run, figures: Figures) -> None:
        """Measure gateways that accept submissions in closed loops."""
        directory = run.directory / "accept"
        async with self._brokers(run, directory, settings=SHORT_LIVED) as brokers:
            with ExitStack() as stack:
                contenders = {}
                for number, variant in enumerate(self.variants):
                    pipeline = stack.enter_context(_pipeline(variant, brokers, directory, f"accept-{number}"))
                    gateway = await pipeline.start_gateway()
                    token = pipeline.register(USERNAME)
                    for name, form in FORMS.items():
                        contenders[f"{variant.name}, {name}"] = Contender([gateway], token, form)
                contenders = await accept.warm(run, contenders)
                for variants in self._turns(run, "accept"):
                    for size in self.sizes:
                        for name in FORMS:
                            for variant in variants:
                                if contender := contenders.get(f"{variant.name}, {name}"):
                                    key = self._figure(_accepting(size, name), variant)
                                    await accept.measure(run, contender, size, key, figures)

    async def process(self, run: Run, figures: Figures) -> None:
        """Measure workers that drain a topic of packed submissions."""
        directory = run.directory / "process"
        core, broker_core = cores()
        async with self._brokers(run, directory, broker_core) as brokers:
            loads = [process.Load(size, True, run.pick(*process.COUNTS[size])) for size in self.sizes]
            for broker in brokers.values():
                for load in loads:
                    await process.fill(broker, load, directory)
            for i, variants in enumerate(self._turns(run, "process")):
                for load in loads:
                    for variant in variants:
                        drains = process.Drains(run, brokers[variant.secure], directory, core)
                        place = directory / f"{self.variants.index(variant)}-{load.prefix}-{i}"
                        drain = await drains.ours(load, place, variant.code, **variant.settings)
                        key = self._figure(_processing(load.size), variant)
                        figures.add(f"{key}/rate", drain.rate)
                        figures.add(f"{key}/cpu_ms", drain.cpu_ms)

    async def query(self, run: Run, figures: Figures) -> None:
        """Measure queries through a gateway of a worker."""
        directory = run.directory / "query"
        async with self._brokers(run, directory) as brokers:
            with ExitStack() as stack:
                tables = {}
                for number, variant in enumerate(self.variants):
                    pipeline = stack.enter_context(_pipeline(variant, brokers, directory, f"query-{number}"))
                    tables[variant.name] = await query.fill(run, brokers[variant.secure], pipeline, _ROWS)
                for variants in self._turns(run, "query"):
                    for variant in variants:
                        await query.measure(run, tables[variant.name], self._figure(_READING, variant), figures)

    def table(self, figures: Figures) -> str:
        """Return what was measured of the variants, and the ratios of all the others to the first."""
        rows = []
        for what in self._subjects():
            for metric, unit in _METRICS.items():
                first, *others = (f"{self._figure(what, variant)}/{metric}" for variant in self.variants)
                if any(key in figures for key in (first, *others)):
                    row = [f"{what}, {unit}", figure(figures.spread(first))]
                    for key in others:
                        row += [figure(figures.spread(key)), ratio(figures.ratio(key, first))]
                    rows.append(row)
        columns = (column for variant in self.variants[1:] for column in (variant.name, "ratio"))
        return table(["", self.variants[0].name, *columns], rows)

    def _subjects(self) -> Iterable[str]:
        yield from (_accepting(size, form) for size in self.sizes for form in FORMS)
        yield from (_processing(size) for size in self.sizes)
        yield _READING

    def _figure(self, what: str, variant: Variant) -> str:
        return f"{self.key}/{what}/{variant.name}"

    def _turns(self, run: Run, what: str) -> Iterable[Sequence[Variant]]:
        for i in range(run.pick(self.rounds, 1)):
            run.say(f"{self.key}, {what}: round {i + 1}")
            yield self.variants[:: -1 if i % 2 else 1]

    @asynccontextmanager
    async def _brokers(
        self, run: Run, directory: Path, core: int | None = None, settings: Mapping[str, int] | None = None
    ) -> AsyncIterator[dict[bool, Broker]]:
        """Run a broker without TLS, one with it, or both, as the variants need."""
        async with AsyncExitStack() as stack:
            brokers = {}
            for secure in sorted({variant.secure for variant in self.variants}):
                place = directory / ("kafka-tls" if secure else "kafka")
                security = Security.make(place / "certificates") if secure else None
                cluster = await stack.enter_async_context(kafka(run.distribution, place, core, security, settings))
                brokers[secure] = Broker(cluster.bootstrap_servers, security)
                if security:
                    brokers[secure].env |= _among_themselves(security.authority)
            yield brokers


# What a comparison measures, by the name of the part of the report that measures the same beside other contenders.
ACTIVITIES = {"accept": Comparison.accept, "process": Comparison.process, "query": Comparison.query}


def _accepting(size: Size, form: str) -> str:
    return f"accepting {size} {form}"


def _processing(size: Size) -> str:
    return f"processing {size} packed"


def _pipeline(variant: Variant, brokers: Mapping[bool, Broker], directory: Path, prefix: str) -> Pipeline:
    broker = brokers[variant.secure]
    return Pipeline(broker.servers, directory / prefix, prefix, variant.code, **broker.env, **variant.settings)


def _among_themselves(authority: Authority) -> dict[str, str]:
    """Return the settings of gateways and workers that use TLS among themselves."""
    certificate, key = authority.issue("internal")
    files = {"CERT": certificate, "KEY": key, "CA": authority.certificate}
    return {f"ECG_INTERNAL_{name}_FILE": str(file) for name, file in files.items()}
