"""Times of the 404s for an ECG that does not exist and for somebody else's ECG: `python -m tests.hostile.timing`.

To be run by hand on an idle machine: times differ too much for an automatic test.
"""

import asyncio
import itertools
import math
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import orjson
from aiokafka import AIOKafkaProducer

from shared.kafka.topics import Topics
from shared.security.ids import IdIssuer
from tests.support.brokers import EmbeddedBroker
from tests.support.hostile import found
from tests.support.pipeline import SECRET, Pipeline

_ROUNDS = 1000
_LEADS = [{"name": f"lead {number}", "signal": [1, -1, 1]} for number in range(12)]


async def main() -> None:
    """Start a pipeline, query each kind of id in turn, and print the times."""
    directory = Path(tempfile.mkdtemp())
    broker = EmbeddedBroker(directory)
    pipeline = Pipeline(broker, directory)
    try:
        pipeline.start_gateway()
        pipeline.start_worker()
        await pipeline.ready()
        times = await _measure(pipeline)
        for kind, of in times.items():
            low, middle, high = statistics.quantiles(of, n=4)
            sys.stdout.write(f"{kind:<36} median {middle:7.1f} us, quartiles {low:7.1f} and {high:7.1f}\n")
        # The statistic of Mann and Whitney (1947) as a share, and twice its standard deviation under no difference.
        chance = 2 * math.sqrt((2 * _ROUNDS + 1) / (12 * _ROUNDS**2))
        for one, other in itertools.pairwise(times):
            later = _later(times[one], times[other])
            sys.stdout.write(f"{one!r} after {other!r}: {later:.3f} of pairs; by chance 0.5 +- {chance:.3f}\n")
    finally:
        pipeline.stop()
        await broker.stop()


async def _measure(pipeline: Pipeline) -> dict[str, list[float]]:
    token, guesser = await pipeline.register("victim"), await pipeline.register("guesser")
    chosen = [f"device-{number}" for number in range(50)]
    async with (
        pipeline.client(token=token) as client,
        AIOKafkaProducer(**pipeline.kafka) as producer,
    ):
        issued = [(await client.post("/ecgs", json={"leads": _LEADS})).json()["id"] for _ in range(50)]
        topic = Topics(pipeline.settings).submissions.name
        for ecg_id in chosen:
            value = orjson.dumps({"id": ecg_id, "username": "victim", "leads": _LEADS})
            await producer.send_and_wait(topic, value, ecg_id.encode())
        for ecg_id in (*issued, *chosen):
            await found(client, ecg_id)
    issuer = IdIssuer(SECRET)
    kinds = {
        "issued, somebody else's": issued,
        "issued, to nobody who has an ECG": [issuer.issue("nobody") for _ in range(50)],
        "chosen, somebody else's": chosen,
        "chosen, not there": [f"device-{number}" for number in range(50, 100)],
    }
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    async with pipeline.client(token=guesser) as client:
        client.event_hooks = {}
        for _ in range(_ROUNDS):
            for kind, ids in random.sample(list(kinds.items()), len(kinds)):
                begun = time.perf_counter()
                response = await client.get(f"/ecgs/{random.choice(ids)}/insights")
                times[kind].append((time.perf_counter() - begun) * 1e6)
                assert response.status_code == 404
    return times


def _later(these: list[float], those: list[float]) -> float:
    """Return the share of all pairs in which the first time is the greater: one half if there is no difference."""
    ordered = np.sort(those)
    return float(np.searchsorted(ordered, these).mean() / ordered.size)


if __name__ == "__main__":
    asyncio.run(main())
