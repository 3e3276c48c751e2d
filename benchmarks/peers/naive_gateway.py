"""The naive gateway: validates with pydantic, encodes with json, and awaits Kafka's acknowledgement of each message."""

import json
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI, Request

from benchmarks.peers.plain_service import EcgIn


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Run the producer while the application serves."""
    async with AIOKafkaProducer(
        bootstrap_servers=os.environ["BENCH_SERVERS"], acks="all", enable_idempotence=True
    ) as app.state.producer:
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/ecgs", status_code=201)
async def submit(ecg: EcgIn, request: Request) -> dict[str, str]:
    """Accept an ECG, and answer when the broker has acknowledged it."""
    ecg_id = str(uuid.uuid4())
    message = {"id": ecg_id, "username": "benchmarks", **ecg.model_dump(mode="json")}
    await request.app.state.producer.send_and_wait(
        os.environ["BENCH_TOPIC"], json.dumps(message).encode(), ecg_id.encode()
    )
    return {"id": ecg_id}


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ["BENCH_PORT"]), access_log=False, log_level="warning")
