"""Health checks: is the gateway alive, and can it serve?"""

import asyncio
from http import HTTPStatus
from typing import Annotated

from aiokafka.errors import KafkaError
from fastapi import APIRouter
from pydantic import BaseModel, Field

from ingest_api.http.openapi import RETRY_AFTER, success
from ingest_api.http.responses import JsonResponse
from ingest_api.queries.services import Services
from ingest_api.queries.worker_client import WorkerClient
from ingest_api.users.registry import UserRegistry

_TIMEOUT = 2.0

router = APIRouter(tags=["health"])


class Readiness(BaseModel):
    """The readiness of the gateway, and the missing parts if it is not ready: `broker`, `users` or `worker`."""

    status: Annotated[str, Field(examples=["ready"])]
    missing: list[str]


@router.get("/health/ping", summary="Is the gateway alive?", responses={200: success("The gateway is alive.", "pong")})
async def ping() -> str:
    """Answer 200 as long as the process lives."""
    return "pong"


@router.get(
    "/health/ready",
    summary="Can the gateway serve?",
    response_model=Readiness,
    responses={
        200: success("The gateway can serve.", {"status": "ready", "missing": []}),
        503: success("Something that the gateway needs is missing.", {"status": "not ready", "missing": ["worker"]})
        | {"model": Readiness, "headers": RETRY_AFTER},
    },
)
async def ready(services: Services) -> JsonResponse:
    """Answer 200 if the broker is reachable, the view of users is up to date and a worker answers, else 503."""
    if missing := await missing_parts(services.users, services.workers):
        return JsonResponse(
            {"status": "not ready", "missing": missing}, HTTPStatus.SERVICE_UNAVAILABLE, {"retry-after": "1"}
        )
    return JsonResponse({"status": "ready", "missing": []})


async def missing_parts(users: UserRegistry, workers: WorkerClient) -> list[str]:
    """Return the missing ones of `broker`, `users` (an up-to-date view of them) and `worker` (one that answers)."""
    found = []
    try:
        async with asyncio.timeout(_TIMEOUT):
            await users.view.catch_up()
            await workers.view.catch_up()
    except (KafkaError, TimeoutError):
        found += ["broker", "users"]
    if not await workers.any_alive():
        found.append("worker")
    return found
