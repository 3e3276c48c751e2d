"""The naive agent: Faust as its documentation shows it, one message at a time into a table."""

import os
from typing import Any

import faust
from faust.types import StreamT

from benchmarks.peers.insights import DIRECTORY, GROUP, SERVERS, TOPIC, insights

_CONSTANT = {"username": "benchmarks", "leads": [{"name": "I", "number_of_zero_crossings": 0}] * 12}

app = faust.App(
    GROUP,
    broker=f"kafka://{SERVERS}",
    store="rocksdb://",
    datadir=DIRECTORY,
    topic_partitions=12,
    topic_disable_leader=True,
    consumer_auto_offset_reset="earliest",
    web_enabled=False,
)
submissions = app.topic(TOPIC, key_type=bytes, key_serializer="raw", value_type=bytes, value_serializer="raw")
table = app.Table("insights", key_type=str)

if os.environ.get("BENCH_CONSTANT"):

    @app.agent(submissions)
    async def constant(stream: StreamT[bytes]) -> None:
        """Write a constant row."""
        async for key, _ in stream.items():
            table[key.decode()] = _CONSTANT

else:

    @app.agent(submissions)
    async def process(stream: StreamT[bytes]) -> None:
        """Write the insights."""
        async for value in stream:
            row: dict[str, Any] = insights(value)
            table[row["ecg_id"]] = row


if __name__ == "__main__":
    faust.Worker(app, quiet=True, loglevel="WARNING").execute_from_commandline()
