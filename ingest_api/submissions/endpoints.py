"""The endpoints that submit ECGs, one or several."""

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request

from ingest_api.http.body import BodyLimit
from ingest_api.http.errors import ApiError, reason
from ingest_api.http.openapi import (
    EXAMPLE_ID,
    body,
    body_errors,
    created,
    packed_body,
    problem,
    success,
    too_many,
    unavailable,
)
from ingest_api.http.responses import JsonResponse
from ingest_api.http.services import services_of
from ingest_api.submissions import schemas
from ingest_api.submissions.intake import ADVICE, BATCH_ADVICE, NOT_ACKNOWLEDGED
from ingest_api.submissions.services import SubmissionServices
from ingest_api.users.direct_route import DirectRoute
from ingest_api.users.schemas import USER_ERRORS
from ingest_api.users.services import User
from shared.encoding import MEDIA_TYPES, packed
from shared.settings import MAX_BODY_BYTES

router = APIRouter(tags=["ecgs"], route_class=DirectRoute)


@router.post(
    "/ecgs",
    summary="Submit an ECG",
    status_code=HTTPStatus.CREATED,
    response_model=schemas.EcgId,
    openapi_extra=body(schemas.EcgIn, schemas.PackedEcgIn) | {"parameters": [schemas.IDEMPOTENCY_KEY]},
    responses={
        201: created("The ECG is accepted and durable.", {"id": EXAMPLE_ID}, "/ecgs/{id}"),
        **USER_ERRORS,
        **body_errors(BodyLimit(MAX_BODY_BYTES, ADVICE), *MEDIA_TYPES),
        429: too_many(
            "Over the quota of 600 ECGs or chunks a minute, try again later", "Over a quota, or too many wrong tokens"
        ),
        422: problem(
            "The ECG breaks the schema.",
            "leads[0].signal: must hold integers only: multiply fractions, and send adc_gain",
            "leads[0].signal",
        ),
        503: unavailable(NOT_ACKNOWLEDGED),
    },
)
async def submit_ecg(request: Request, user: User) -> JsonResponse:
    """Return the ECG's id once the broker has acknowledged it: from then on, the ECG is not lost."""
    ecg_id = await services_of(request, SubmissionServices).submissions.accept(request, user)
    return JsonResponse({"id": ecg_id}, HTTPStatus.CREATED, {"location": f"/ecgs/{ecg_id}"})


@router.post(
    "/ecgs/batch",
    summary="Submit several ECGs",
    response_model=schemas.BatchAnswer,
    openapi_extra=packed_body(schemas.Batch),
    responses={
        200: success(
            "One entry for each submission, in order: an ECG with an id is accepted and durable, any other is refused.",
            {
                "ecgs": [
                    {"id": EXAMPLE_ID},
                    {"status": 422, "detail": "leads: must hold 1 to 1024 leads, not 0", "field": "leads"},
                ]
            },
        ),
        **USER_ERRORS,
        **body_errors(BodyLimit(MAX_BODY_BYTES, BATCH_ADVICE), packed.CONTENT_TYPE),
        429: too_many(
            "Over the quota of 600 ECGs or chunks a minute, try again later", "Over a quota, or too many wrong tokens"
        ),
        422: problem("The body is not a batch.", f"body: must hold 1 to {packed.MAX_BATCH} submissions, not 0", "body"),
        503: unavailable("Too many submissions wait for the broker, try again"),
    },
)
async def submit_ecgs(request: Request, user: User) -> JsonResponse:
    """Return the id of each ECG that is durable now; for each other ECG, the answer to it as a single submission."""
    answers = await services_of(request, SubmissionServices).submissions.accept_batch(request, user)
    return JsonResponse(
        {"ecgs": [{"id": answer} if isinstance(answer, str) else _refused(answer) for answer in answers]}
    )


def _refused(error: ApiError) -> dict[str, Any]:
    again = (error.headers or {}).get("retry-after")
    return {"status": error.status, **reason(error), **({"retry_after": int(again)} if again else {})}
