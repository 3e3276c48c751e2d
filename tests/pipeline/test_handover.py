"""No message is lost between the broker and the agent, even if recovery and fetching overlap."""

import asyncio

import pytest

from local_stack.broker import free_port
from tests.support.conditions import eventually
from tests.support.ecgs import all_have_insights, backlog, submit
from tests.support.metrics import scrape
from tests.support.pipeline import NewPipeline

# At the end of a recovery, messages are fetched while the worker still seeks to the committed offsets. Usually seeking
# and the agent are so fast that few runs have messages waiting at that time: this worker is slowed down.
SLOW = """
import asyncio
from stream_agents.__main__ import main
from stream_agents.agent import SubmissionsAgent
from stream_agents.faust_fixes.consumer import Consumer

def slower(function, seconds):
    async def slow(*args):
        await function(*args)
        await asyncio.sleep(seconds)
    return slow

Consumer.perform_seek = slower(Consumer.perform_seek, 1)
SubmissionsAgent.handle = slower(SubmissionsAgent.handle, 0.1)
main()
"""

# A worker that drops every poll with a message of this offset after fetching it, in each partition. It looks for
# messages that did not arrive after a tenth of the usual time without any.
LOSSY = """
from stream_agents import agent
from stream_agents.__main__ import main
from stream_agents.faust_fixes.consumer import Consumer

agent._IDLE /= 10
getmany = Consumer.getmany

async def lossy(self, timeout):
    async for tp, message in getmany(self, timeout):
        if all(record.offset != {offset} for record in message.value.records):
            yield tp, message

Consumer.getmany = lossy
main()
"""


# A worker whose client knows no position of its partitions, as in the moments after each assignment, whenever Faust
# looks for idle partitions.
POSITIONLESS = """
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from stream_agents.__main__ import main

def fail(*_):
    raise AssertionError("no position")

AIOKafkaConsumerThread.verify_event_path = fail
main()
"""


@pytest.mark.slow
async def test_a_partition_without_a_position_does_not_end_the_worker(new_pipeline: NewPipeline) -> None:
    """Faust looks every two and a half commits."""
    pipeline, port = new_pipeline(), free_port()
    pipeline.start_gateway()
    worker = pipeline.start_worker(POSITIONLESS, ECG_METRICS_PORT=str(port))
    await pipeline.ready()
    async with pipeline.client(token=await pipeline.register("clinic")) as client:

        async def commits() -> bool | None:
            await submit(client, 1)
            return (await scrape(port))("ecg_worker_commit_duration_seconds_count") >= 6 or None

        await eventually(commits, interval=0.2, what="commits")
    assert worker.running.poll() is None


@pytest.mark.slow
async def test_messages_that_arrive_before_recovery_has_ended_are_processed(new_pipeline: NewPipeline) -> None:
    """When a worker joins, the others recover while they fetch."""
    pipeline, token, accepted = await backlog(new_pipeline, 10)
    pipeline.start_worker(SLOW, ECG_BATCH_SIZE="8")
    await pipeline.ready()
    pipeline.start_worker(SLOW, ECG_BATCH_SIZE="8")
    joining = asyncio.create_task(pipeline.ready(workers=2))
    async with pipeline.client(token=token) as client:
        while not joining.done():
            accepted += await submit(client, 20)
            # A little more than the workers can process.
            await asyncio.sleep(0.1)
    await joining
    await all_have_insights(pipeline, token, accepted)
    assert all(worker.running.poll() is None for worker in pipeline.workers)


@pytest.mark.parametrize(
    "offset", [pytest.param(0, id="the only one"), pytest.param(10, id="one among others", marks=pytest.mark.slow)]
)
async def test_a_worker_that_lost_a_message_ends_and_the_next_one_processes_it(
    new_pipeline: NewPipeline, offset: int
) -> None:
    pipeline, token, accepted = await backlog(new_pipeline, 300 if offset else 3)
    lossy = pipeline.start_worker(LOSSY.format(offset=offset), ECG_BATCH_SIZE="4")

    async def ended() -> bool | None:
        return True if lossy.running.poll() is not None else None

    await eventually(ended, what="the end of the worker")
    assert lossy.running.returncode != 0
    assert "MessageLost" in lossy.log.read_text()
    pipeline.start_worker()
    await all_have_insights(pipeline, token, accepted)


async def test_a_worker_that_joins_gets_partitions(new_pipeline: NewPipeline) -> None:
    """Of four partitions, Faust leaves two each to the first two workers, and none to the third."""
    pipeline = new_pipeline(ECG_PARTITIONS="4")
    pipeline.start_gateway()
    ports = [free_port() for _ in range(3)]
    for count, port in enumerate(ports, 1):
        pipeline.start_worker(ECG_METRICS_PORT=str(port))
        await pipeline.ready(workers=count)

    async def shares() -> bool | None:
        served = [(await scrape(port))("ecg_worker_partitions", role="active") for port in ports]
        return sorted(served) == [1, 1, 2] or None

    await eventually(shares, interval=0.2, what="a share for each worker")
