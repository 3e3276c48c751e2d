"""Chaos: faults of all kinds at random times, reproducible from a seed."""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field

from local_stack.kafka import KafkaNode
from tests.faults.stack import Stack
from tests.support.process import Process

_PAUSE, _DOWN, _FROZEN = 8.0, 10.0, 20.0
_KINDS = tuple(
    f"{kind} {what}" for kind in ("workers", "gateways", "brokers") for what in ("killed", "frozen", "restarted")
)


@dataclass
class Chaos:
    """Kills, freezes and restarts brokers, workers and gateways for some time, each kind in its own random sequence.

    At a time, one or two workers, one or two gateways and one broker are down; now and then all brokers are frozen.
    """

    seed: int
    seconds: float
    counts: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys([*_KINDS, "all brokers frozen"], 0)))

    async def __call__(self, stack: Stack) -> None:
        """Make the faults, and wait until everything runs again."""
        end = time.monotonic() + self.seconds
        async with asyncio.TaskGroup() as kinds:
            kinds.create_task(self._processes(stack, "workers", list(stack.pipeline.workers), end))
            kinds.create_task(self._processes(stack, "gateways", list(stack.pipeline.gateways), end))
            kinds.create_task(self._brokers(stack, end))
        await stack.ready()

    async def _processes(self, stack: Stack, kind: str, processes: list[Process], end: float) -> None:
        rng = random.Random(f"{self.seed}-{kind}")
        while time.monotonic() < end:
            await asyncio.sleep(rng.uniform(0, _PAUSE))
            fault, name = rng.choice(((self._kill, "killed"), (self._freeze, "frozen"), (self._restart, "restarted")))
            chosen = rng.sample(processes, rng.choice((1, 1, 1, 2)))
            seconds = rng.uniform(0, _FROZEN)
            self.counts[f"{kind} {name}"] += len(chosen)
            await asyncio.gather(*(fault(stack, process, seconds) for process in chosen))

    async def _kill(self, stack: Stack, process: Process, _: float) -> None:
        process.kill()

    async def _freeze(self, stack: Stack, process: Process, seconds: float) -> None:
        process.pause()
        try:
            await asyncio.sleep(seconds)
        finally:
            process.resume()

    async def _restart(self, stack: Stack, process: Process, _: float) -> None:
        await stack.restart(process)

    async def _brokers(self, stack: Stack, end: float) -> None:
        rng = random.Random(f"{self.seed}-brokers")
        nodes = stack.cluster.nodes
        while time.monotonic() < end:
            await asyncio.sleep(rng.uniform(0, _PAUSE))
            node, down, frozen = rng.choice(nodes), rng.uniform(0, _DOWN), rng.uniform(0, _FROZEN)
            what = rng.choices(("killed", "frozen", "restarted", "all"), (3, 3, 2, 1))[0]
            self.counts["all brokers frozen" if what == "all" else f"brokers {what}"] += 1
            if what == "killed":
                await _kill_broker(node, down)
            elif what == "restarted":
                await node.restart()
            else:
                await _freeze_brokers(nodes if what == "all" else [node], frozen)
            await stack.cluster.in_sync()


async def _kill_broker(node: KafkaNode, seconds: float) -> None:
    node.kill()
    try:
        await asyncio.sleep(seconds)
    finally:
        node.start()


async def _freeze_brokers(nodes: list[KafkaNode], seconds: float) -> None:
    for node in nodes:
        node.pause()
    try:
        await asyncio.sleep(seconds)
    finally:
        for node in nodes:
            node.resume()
