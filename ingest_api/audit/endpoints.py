"""The call that reads the audit. Who may make it is said where the app includes it: the audit knows no users."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query

from ingest_api.audit import schemas
from ingest_api.audit.reader import Selection
from ingest_api.audit.services import Services
from ingest_api.http.errors import Unprocessable
from ingest_api.http.openapi import problem, success, unavailable
from ingest_api.http.responses import JsonResponse

_MAX_EVENTS = 1000

router = APIRouter(tags=["audit"])


@router.get(
    "/audit",
    summary="Who submitted, read or erased what, and when",
    response_model=schemas.AuditPage,
    responses={
        200: success("A page.", {"events": [schemas.EXAMPLE_EVENT], "next": "AAABk1..."}),
        422: problem("A parameter cannot be one.", "cursor: must be the `next` of a page", "cursor"),
        503: unavailable("The audit cannot be read now, try again"),
    },
)
async def read_audit(
    services: Services,
    *,
    username: Annotated[str | None, Query(description="Only what this user did, or was done with their data.")] = None,
    ecg_id: Annotated[str | None, Query(description="Only what is about this ECG.")] = None,
    since: Annotated[schemas.Moment | None, Query(description="The first moment, in ISO 8601 with a zone.")] = None,
    until: Annotated[schemas.Moment | None, Query(description="The moment after the last.")] = None,
    limit: Annotated[int, Query(ge=1, le=_MAX_EVENTS, description="How many at most.")] = 100,
    cursor: Annotated[
        str | None, Query(description="The `next` of the page before, asked for in the same way.")
    ] = None,
) -> JsonResponse:
    """Answer a page of the audit, the oldest first, by the times of gateways.

    A request looks at a bounded part of the audit: a page may have few events, or none, while `next` leads on. Who
    follows `next` to its end sees each event that was there at the beginning once.
    """
    try:
        events, following = await services.audit_reader.page(Selection(username, ecg_id, since, until), limit, cursor)
    except ValueError:
        raise Unprocessable("cursor: must be the `next` of a page", field="cursor") from None
    return JsonResponse({"events": msgspec.to_builtins(events), "next": following})
