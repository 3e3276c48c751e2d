"""The endpoint that reads the audit. The app restricts the access to it, as `audit` does not import `users`."""

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
    summary="Read the audit of submissions, reads and erasures",
    response_model=schemas.AuditPage,
    responses={
        200: success("A page.", {"events": [schemas.EXAMPLE_EVENT], "next": "AAABk1..."}),
        422: problem("A parameter is unknown, or not valid.", "cursor: must be the `next` of a page", "cursor"),
        503: unavailable("The audit cannot be read now, try again"),
    },
)
async def read_audit(
    services: Services,
    *,
    username: Annotated[str | None, Query(description="Only events of this user or of their data.")] = None,
    ecg_id: Annotated[str | None, Query(description="Only events of this ECG or recording.")] = None,
    since: Annotated[
        schemas.Moment | None, Query(description="Only events from this time on, in ISO 8601 with a zone.")
    ] = None,
    until: Annotated[schemas.Moment | None, Query(description="Only events before this time.")] = None,
    limit: Annotated[int, Query(ge=1, le=_MAX_EVENTS, description="Maximum number of events.")] = 100,
    cursor: Annotated[
        str | None, Query(description="The `next` of the previous page, which had the same other parameters.")
    ] = None,
) -> JsonResponse:
    """Return a page of the audit, the oldest event first by the gateways' clocks.

    A request reads a bounded part of the audit, so a page may have few events, or none, although `next` leads on.
    Following `next` to its end returns each event that was there at the beginning exactly once.
    """
    try:
        events, following = await services.audit_reader.page(Selection(username, ecg_id, since, until), limit, cursor)
    except ValueError:
        raise Unprocessable("cursor: must be the `next` of a page", field="cursor") from None
    return JsonResponse({"events": msgspec.to_builtins(events), "next": following})
