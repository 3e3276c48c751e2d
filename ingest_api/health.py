"""Health checks: is the gateway alive, and can it serve?"""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from ingest_api import readiness
from ingest_api.http.openapi import RETRY_AFTER, success
from ingest_api.http.responses import JsonResponse
from ingest_api.queries.services import Services

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
    if missing := await readiness.missing(services.users, services.workers):
        return JsonResponse(
            {"status": "not ready", "missing": missing}, HTTPStatus.SERVICE_UNAVAILABLE, {"retry-after": "1"}
        )
    return JsonResponse({"status": "ready", "missing": []})
