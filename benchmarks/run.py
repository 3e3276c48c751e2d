"""A run of the benchmarks: its options, its directory, and the figures that it measures."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from benchmarks.load import Pace, Result
from benchmarks.machine import pinned
from benchmarks.services import ROOT, python
from benchmarks.stats import Spread, ratios, spread
from local_stack.kafka import Distribution
from local_stack.lifetime import dies_with_parent

T = TypeVar("T")
_GRACE = 60.0


class Figures:
    """The measured values, round by round, under their names."""

    def __init__(self, values: dict[str, list[float]] | None = None) -> None:
        self.values: dict[str, list[float]] = defaultdict(list, values or {})

    def add(self, name: str, value: float) -> None:
        """Add the value of a round."""
        self.values[name].append(value)

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def spread(self, name: str) -> Spread:
        """Return the spread of a value over the rounds, of NaN if it was not measured."""
        return spread(self.rounds(name))

    def ratio(self, name: str, to: str) -> Spread:
        """Return the spread of one value's ratio to another, round by round."""
        return ratios(self.rounds(name), self.rounds(to))

    def rounds(self, name: str) -> Sequence[float]:
        """Return the values of all rounds, none if it was not measured."""
        return self.values[name] if name in self else ()


@dataclass(frozen=True)
class Run:
    """Kafka's distribution, the directory, whether the run is a quick one, and the minutes of the memory's part."""

    distribution: Distribution
    directory: Path
    quick: bool
    minutes: float = 60.0

    def pick(self, full: T, quick: T) -> T:
        """Return `quick` in a quick run, or else `full`."""
        return quick if self.quick else full

    def requests(self, name: str, requests: list[bytes]) -> str:
        """Write prebuilt requests for the load generator, and return the path of the file."""
        path = self.directory / f"{name}.requests"
        path.write_bytes(msgspec.msgpack.encode(requests))
        return str(path)

    def say(self, text: str) -> None:
        """Print a line of progress."""
        print(text, flush=True)


async def generate(spec: Pace, core: int | None = None, module: str = "benchmarks.load") -> Result:
    """Run the load generator, or another one in a module, as a process, and return its result."""
    with pinned(core):
        process = await asyncio.create_subprocess_exec(
            *python(module),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            preexec_fn=dies_with_parent(),
        )
    try:
        async with asyncio.timeout(spec.warmup + spec.seconds + _GRACE):
            output, _ = await process.communicate(msgspec.json.encode(spec))
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if process.returncode:
        raise RuntimeError("the load generator failed")
    return msgspec.json.decode(output, type=Result)
