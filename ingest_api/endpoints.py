"""The HTTP contract: one short handler per call."""

import asyncio
from http import HTTPStatus
from typing import Any

from aiokafka.errors import KafkaError
from fastapi import APIRouter, Request
from pydantic import BaseModel, ValidationError

from ingest_api import schemas
from ingest_api.auth import Admin, User
from ingest_api.errors import NotFound, Unavailable, Unprocessable
from ingest_api.responses import JsonResponse
from ingest_api.schemas import problem, success, unavailable
from ingest_api.submissions import announced_length, check_media_type, read_body
from shared import ids
from shared.ecg import check_username
from shared.errors import InvalidEcg

_READINESS_TIMEOUT = 2.0
_MAX_USER_BODY = 4096

_BODY_ERRORS: dict[int | str, dict[str, Any]] = {
    413: problem("The body is over the limit.", "body: must not be over 16777216 bytes (16.0 MiB)"),
    415: problem("The body is not plain JSON.", "content-type: must be application/json", "content-type"),
}
_USER_ERRORS: dict[int | str, dict[str, Any]] = {401: problem("The token is missing or unknown.", "Invalid user token")}

_IDEMPOTENCY_KEY = {
    "name": "idempotency-key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "description": "Makes it safe to send a submission again: the same key and content are the same ECG, on every "
    "gateway, at any time. The same key with another content is another ECG.",
    "example": "recorder-7/2026-11-24/0001",
}

router = APIRouter()


def _body(model: type[BaseModel]) -> dict[str, Any]:
    """Document a body that the handler reads by itself, after authentication."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


@router.get(
    "/health/ping", tags=["health"], summary="Is the gateway alive?", responses={200: success("It is.", "pong")}
)
async def ping() -> str:
    """Answer as long as the process lives."""
    return "pong"


@router.get(
    "/health/ready",
    tags=["health"],
    summary="Can the gateway serve?",
    response_model=schemas.Readiness,
    responses={
        200: success("It can.", {"status": "ready", "missing": []}),
        503: success("Something is missing.", {"status": "not ready", "missing": ["worker"]})
        | {"model": schemas.Readiness, "headers": schemas.RETRY_AFTER},
    },
)
async def ready(request: Request) -> JsonResponse:
    """Answer 200 when the broker is reachable, the view of users is caught up and a worker answers."""
    state = request.app.state
    missing = []
    try:
        async with asyncio.timeout(_READINESS_TIMEOUT):
            await state.users.view.catch_up()
            await state.workers.view.catch_up()
    except (KafkaError, TimeoutError):
        missing += ["broker", "users"]
    if not await state.workers.any_alive():
        missing.append("worker")
    if missing:
        return JsonResponse(
            {"status": "not ready", "missing": missing}, HTTPStatus.SERVICE_UNAVAILABLE, {"retry-after": "1"}
        )
    return JsonResponse({"status": "ready", "missing": []})


@router.post(
    "/users",
    tags=["users"],
    summary="Register a user, or give one a new token",
    status_code=HTTPStatus.CREATED,
    response_model=schemas.UserToken,
    dependencies=[Admin],
    openapi_extra=_body(schemas.UserIn),
    responses={
        201: success("The user, and the token.", {"username": "st-marys", "token": schemas.EXAMPLE_TOKEN}),
        401: problem("The admin token is missing or wrong.", "Invalid admin token"),
        **_BODY_ERRORS,
        422: problem("The username is missing or not allowed.", "username: Field required", "username"),
        503: unavailable("The user was not acknowledged by the broker, try again"),
    },
)
async def register_user(request: Request) -> schemas.UserToken:
    """Answer the user's token, once. A token issued before is revoked."""
    check_media_type(request)
    announced_length(request, _MAX_USER_BODY)
    body = await read_body(request, _MAX_USER_BODY)
    try:
        username = check_username(schemas.UserIn.model_validate_json(body).username)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "body"
        raise Unprocessable(f"{field}: {first['msg']}", field=field) from None
    except InvalidEcg as error:
        raise Unprocessable(str(error), field=error.field) from None
    try:
        async with asyncio.timeout(request.app.state.settings.publish_timeout):
            token = await request.app.state.users.register(username)
    except (KafkaError, TimeoutError):
        raise Unavailable("The user was not acknowledged by the broker, try again") from None
    return schemas.UserToken(username=username, token=token)


@router.post(
    "/ecgs",
    tags=["ecgs"],
    summary="Submit an ECG",
    status_code=HTTPStatus.CREATED,
    response_model=schemas.EcgId,
    openapi_extra=_body(schemas.EcgIn) | {"parameters": [_IDEMPOTENCY_KEY]},
    responses={
        201: success("Accepted, and durable.", {"id": schemas.EXAMPLE_ID}),
        **_USER_ERRORS,
        **_BODY_ERRORS,
        422: problem("The ECG breaks the schema.", "leads[0].signal: must hold integers only", "leads[0].signal"),
        503: unavailable("The submission was not acknowledged by the broker, try again"),
    },
)
async def submit_ecg(request: Request, user: User) -> JsonResponse:
    """Answer the ECG's id once the broker has acknowledged it: from then on it is not lost."""
    ecg_id = await request.app.state.submissions.accept(request, user)
    return JsonResponse({"id": ecg_id}, HTTPStatus.CREATED)


@router.get(
    "/ecgs/{ecg_id}/insights",
    tags=["ecgs"],
    summary="Read an ECG's insights",
    response_model=schemas.EcgInsights,
    responses={
        200: success("The insights.", schemas.EXAMPLE_INSIGHTS),
        202: problem("Accepted, and not yet processed.", "Insights are still being processed"),
        **_USER_ERRORS,
        404: problem("There is no such ECG of this user.", f"ECG not found for id {schemas.EXAMPLE_ID}"),
        422: problem(
            "Accepted, and then impossible to process.", "leads: an insight could not be computed (ValueError)"
        ),
        503: unavailable("The insights are being moved to another worker, try again"),
    },
)
async def read_insights(request: Request, ecg_id: str, user: User) -> JsonResponse:
    """Answer the insights of the caller's ECG, its leads in the order submitted."""
    state = request.app.state
    issued_here = state.issuer.belongs(ecg_id, user)
    # What a gateway issued to somebody else cannot be the caller's, whatever the table holds.
    may_exist = issued_here or (ids.is_valid(ecg_id) and not ids.is_issued(ecg_id))
    found = await state.workers.find(ecg_id) if may_exist else None
    if found is not None and found.username == user:
        if found.error is not None:
            raise Unprocessable(found.error)
        return JsonResponse({"ecg_id": found.ecg_id, "leads": found.leads})
    if issued_here:
        return JsonResponse({"detail": "Insights are still being processed"}, HTTPStatus.ACCEPTED)
    raise NotFound(f"ECG not found for id {ecg_id}")
