"""The endpoints that read: an ECG's insights, a user's ECGs, and an ECG as it was submitted."""

import asyncio
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Request, Response

from ingest_api.http.accept_header import FHIR, preferred
from ingest_api.http.errors import NotAcceptable, Unprocessable
from ingest_api.http.openapi import EXAMPLE_ID, in_fhir, in_packed, problem, success, unavailable
from ingest_api.http.responses import FhirResponse, JsonResponse
from ingest_api.http.services import services_of
from ingest_api.queries import answers, fhir, paging, schemas
from ingest_api.queries.services import QueryServices, Services
from ingest_api.queries.stored_ecgs import GONE
from ingest_api.queries.submission_reader import UNREADABLE
from ingest_api.queries.worker_client import MOVED
from ingest_api.users.direct_route import DirectRoute
from ingest_api.users.schemas import USER_ERRORS
from ingest_api.users.services import User
from shared.encoding import packed

_PENDING = "Insights are still being processed"

direct = APIRouter(tags=["ecgs"], route_class=DirectRoute)
router = APIRouter(tags=["ecgs"])


@direct.get(
    "/ecgs/{ecg_id}/insights",
    summary="Read an ECG's insights",
    response_model=schemas.EcgInsights,
    openapi_extra={"parameters": [schemas.PREFER]},
    responses={
        200: in_fhir(success("The insights.", schemas.EXAMPLE_INSIGHTS), fhir.EXAMPLE_INSIGHTS),
        202: problem("The ECG is accepted, but not yet processed.", _PENDING),
        **USER_ERRORS,
        404: problem("There is no such ECG of this user.", f"ECG not found for id {EXAMPLE_ID}"),
        422: problem(
            "The ECG was accepted, but could not be processed.", "leads: an insight could not be computed (ValueError)"
        ),
        503: unavailable(MOVED),
    },
)
async def read_insights(request: Request, ecg_id: str, user: User) -> JsonResponse:
    """Return the insights of the caller's ECG, its leads in the order submitted."""
    queries = services_of(request, QueryServices)
    wait, applied = queries.long_polls.wait(request)
    found = await queries.lookup.find(request, ecg_id, user, wait)
    if found is None:
        return JsonResponse({"detail": _PENDING}, HTTPStatus.ACCEPTED, applied)
    await queries.audit.record("insights_read", user, ecg_id)
    if found.error is not None:
        raise Unprocessable(found.error)
    if preferred(request.headers.getlist("accept"), FHIR):
        return FhirResponse(fhir.insights(found), headers=applied)
    return JsonResponse(answers.insights(found), headers=applied)


@router.get(
    "/ecgs",
    summary="List your ECGs",
    response_model=schemas.EcgList,
    responses={
        200: success("A page.", schemas.EXAMPLE_LIST),
        **USER_ERRORS,
        **paging.ERRORS,
    },
)
async def list_ecgs(
    services: Services,
    user: User,
    limit: Annotated[int, paging.limit("ECGs")] = 50,
    cursor: paging.Cursor = None,
    label: Annotated[str | None, paging.label_prefix("ECGs")] = None,
) -> JsonResponse:
    """Return a page of the caller's processed ECGs, the latest accepted first.

    Following `next` to its end returns each ECG that was there at the beginning exactly once, even if others arrive
    meanwhile.
    """
    rows, following = await services.ecg_list.page(user, limit, cursor, label)
    await services.audit.record("ecgs_listed", user)
    page = {"username": user, "ecgs": [answers.summary(row, named) for row, named in rows], "next": following}
    return JsonResponse(page)


@router.get(
    "/ecgs/{ecg_id}",
    summary="Read an ECG as it was submitted",
    response_model=schemas.StoredEcg,
    responses={
        200: in_packed(
            in_fhir(success("The ECG.", schemas.EXAMPLE_ECG), fhir.EXAMPLE_ECG),
            schemas.PackedStoredEcg,
            schemas.EXAMPLE_PACKED_ECG,
        ),
        202: problem("The ECG is accepted, but not yet processed.", _PENDING),
        **USER_ERRORS,
        404: problem("There is no such ECG of this user.", f"ECG not found for id {EXAMPLE_ID}"),
        406: problem("FHIR cannot represent the ECG.", "the ECG has no sampling rate, which FHIR's SampledData needs"),
        410: problem("The ECG's signals are no longer kept, but its insights are.", GONE),
        422: problem(
            "The ECG was accepted, but could not be read.",
            "leads[0].signal: must hold integers only: multiply fractions, and send adc_gain",
        ),
        503: unavailable(UNREADABLE),
    },
)
async def read_ecg(services: Services, request: Request, ecg_id: str, user: User) -> Response:
    """Return the caller's ECG with its signals, for as long as submissions are kept."""
    row = await services.lookup.find(request, ecg_id, user)
    if row is None:
        return JsonResponse({"detail": _PENDING}, HTTPStatus.ACCEPTED)
    async with services.stored_ecgs.reading(row) as ecg:
        media_type = preferred(request.headers.getlist("accept"), FHIR, packed.CONTENT_TYPE)
        rate = ecg.sampling_rate
        if rate is None and media_type == FHIR:
            raise NotAcceptable("the ECG has no sampling rate, which FHIR's SampledData needs")
        await services.audit.record("signals_read", user, ecg_id)
        if media_type == packed.CONTENT_TYPE:
            return Response(answers.packed_ecg(row, ecg), media_type=packed.CONTENT_TYPE)
        if rate is None or media_type is None:
            return JsonResponse(answers.stored_ecg(row, ecg))
        # Some million samples as text take a while.
        return await asyncio.to_thread(lambda: FhirResponse(fhir.ecg(ecg, rate)))
