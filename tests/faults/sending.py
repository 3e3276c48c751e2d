"""Requests and messages that are sent again until they are accepted, while processes fail."""

import asyncio
import itertools
import time
from collections import Counter
from typing import Any

import aiohttp
import httpx
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from tests.support.pipeline import Pipeline


def new_client(token: str) -> httpx.AsyncClient:
    """Return a client for submissions."""
    return httpx.AsyncClient(headers={"x-user-token": token}, timeout=15)


def new_query_client(token: str) -> aiohttp.ClientSession:
    """Return a client for queries.

    With httpx, the tens of thousands of queries took half of the suite's time.
    """
    return aiohttp.ClientSession(headers={"x-user-token": token}, timeout=aiohttp.ClientTimeout(15))


def new_producer(pipeline: Pipeline) -> AIOKafkaProducer:
    """Return a producer for messages of a client's own."""
    return AIOKafkaProducer(**pipeline.kafka, enable_idempotence=True, request_timeout_ms=60_000)


async def post(
    client: httpx.AsyncClient, pipeline: Pipeline, turn: int, path: str, unexpected: Counter[int], **request: Any
) -> httpx.Response:
    """Send a request to each gateway in turn until one answers 201, and return the answer.

    Other answers than 201 and 503 are counted by status in `unexpected`.
    """
    gateways = itertools.cycle(pipeline.gateways_from(turn))
    while True:
        try:
            response = await client.post(f"{next(gateways).url}{path}", **request)
        except httpx.TransportError:
            await asyncio.sleep(0.2)
            continue
        if response.status_code == httpx.codes.CREATED:
            return response
        if response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            unexpected[response.status_code] += 1
        await asyncio.sleep(int(response.headers.get("retry-after", "1")))


async def produce(producer: AIOKafkaProducer, topic: str, key: str, value: bytes) -> None:
    """Send a message until the brokers acknowledge it."""
    while True:
        try:
            await producer.send_and_wait(topic, value, key.encode())
        except KafkaError:
            await asyncio.sleep(0.5)
        else:
            return


async def answer(client: aiohttp.ClientSession, pipeline: Pipeline, path: str, deadline: float) -> tuple[int, Any]:
    """Query each gateway in turn until a 200 or the deadline; return the last status, and the document of the 200."""
    status = 0
    for gateway in itertools.cycle(pipeline.gateways):
        try:
            async with client.get(f"{gateway.url}{path}") as response:
                status = response.status
                if status == httpx.codes.OK:
                    return status, await response.json()
        except (aiohttp.ClientError, TimeoutError):
            await asyncio.sleep(0.2)
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(0.1)
    return status, None
