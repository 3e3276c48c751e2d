"""The endpoints for recordings: begin, add chunks, end, and read insights and samples."""

import math
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from ingest_api.http.accept_header import preferred
from ingest_api.http.body import BodyLimit
from ingest_api.http.errors import Unprocessable
from ingest_api.http.openapi import (
    EXAMPLE_ID,
    Responses,
    body,
    body_errors,
    created,
    in_packed,
    problem,
    success,
    too_many,
    unavailable,
)
from ingest_api.http.responses import JsonResponse
from ingest_api.http.services import services_of
from ingest_api.queries import paging
from ingest_api.queries.schemas import PREFER
from ingest_api.queries.submission_reader import UNREADABLE
from ingest_api.queries.worker_client import MOVED
from ingest_api.recordings import answers, schemas
from ingest_api.recordings.services import RecordingServices, Services
from ingest_api.submissions.intake import ADVICE, NOT_ACKNOWLEDGED
from ingest_api.submissions.schemas import IDEMPOTENCY_KEY
from ingest_api.users.direct_route import DirectRoute
from ingest_api.users.schemas import USER_ERRORS
from ingest_api.users.services import User
from shared.chunk import MAX_SECONDS
from shared.ecg import MAX_SAMPLING_RATE
from shared.encoding import MEDIA_TYPES, packed, plain
from shared.messages.beats import decode_minute
from shared.messages.insights import Insights
from shared.messages.recordings import MINUTE
from shared.settings import MAX_BODY_BYTES

_SECONDS_OF_A_MINUTE = 60
_LAST_SAMPLE = int(MAX_SECONDS * MAX_SAMPLING_RATE)
_PENDING = "The recording is still being processed"
_NOT_FOUND = problem("There is no such recording of this user.", f"Recording not found for id {EXAMPLE_ID}")
_ACCEPTED = problem("The recording is accepted, but not yet processed.", _PENDING)
_MOVED = unavailable(MOVED)


def _submission_errors(*media_types: str) -> Responses:
    return {
        **USER_ERRORS,
        **body_errors(BodyLimit(MAX_BODY_BYTES, ADVICE), *media_types),
        429: too_many(
            "Over the quota of 600 ECGs or chunks a minute, try again later", "Over a quota, or too many wrong tokens"
        ),
        503: unavailable(NOT_ACKNOWLEDGED),
    }


direct = APIRouter(tags=["recordings"], route_class=DirectRoute)
router = APIRouter(tags=["recordings"])


@direct.post(
    "/recordings",
    summary="Begin a recording",
    status_code=HTTPStatus.CREATED,
    response_model=schemas.RecordingId,
    openapi_extra=body(schemas.RecordingIn) | {"parameters": [IDEMPOTENCY_KEY]},
    responses={
        201: created("The announcement is accepted and durable.", {"id": EXAMPLE_ID}, "/recordings/{id}"),
        **_submission_errors(plain.CONTENT_TYPE),
        422: problem(
            "The announcement breaks the schema.",
            "sampling_rate: must be given in a recording: the time of a sample is counted with it",
            "sampling_rate",
        ),
    },
)
async def begin_recording(request: Request, user: User) -> JsonResponse:
    """Return the id of a new recording. Chunks can be added to it from then on."""
    recording_id = await services_of(request, RecordingServices).recordings.begin(request, user)
    return JsonResponse({"id": recording_id}, HTTPStatus.CREATED, {"location": f"/recordings/{recording_id}"})


@direct.post(
    "/recordings/{recording_id}/chunks",
    summary="Add a chunk to a recording",
    status_code=HTTPStatus.CREATED,
    response_model=schemas.AcceptedChunk,
    openapi_extra=body(schemas.ChunkIn, schemas.PackedChunkIn),
    responses={
        201: success("The samples are accepted and durable.", schemas.EXAMPLE_CHUNK),
        **_submission_errors(*MEDIA_TYPES),
        404: _NOT_FOUND,
        422: problem(
            "The chunk breaks the schema.",
            "leads[1].signal: must be as long as that of the first lead, 500 samples",
            "leads[1].signal",
        ),
    },
)
async def add_chunk(request: Request, recording_id: str, user: User) -> JsonResponse:
    """Return the place of the samples once they are durable.

    Chunks may be sent in any order. Sending the same chunk again changes nothing. A chunk that does not fit its
    recording, such as one with other leads, is refused when it is processed: see `refused` in the insights.
    """
    chunk = await services_of(request, RecordingServices).recordings.add(request, user, recording_id)
    answer = {"id": recording_id, "first_sample": chunk.first_sample, "number_of_samples": chunk.count}
    return JsonResponse(answer, HTTPStatus.CREATED)


@direct.post(
    "/recordings/{recording_id}/end",
    summary="End a recording",
    status_code=HTTPStatus.CREATED,
    response_model=schemas.AcceptedEnd,
    openapi_extra=body(schemas.EndIn),
    responses={
        201: success("The end is accepted and durable.", {"id": EXAMPLE_ID, "number_of_samples": 86_000}),
        **_submission_errors(plain.CONTENT_TYPE),
        404: _NOT_FOUND,
        422: problem(
            "The body breaks the schema.",
            "number_of_samples: must be a whole number of samples, 0 or more",
            "number_of_samples",
        ),
    },
)
async def end_recording(request: Request, recording_id: str, user: User) -> JsonResponse:
    """End the recording after this number of samples. Missing samples become gaps; if they arrive later, they are used.

    An end before the last sample is refused when it is processed: see `refused` in the insights.
    """
    total = await services_of(request, RecordingServices).recordings.end(request, user, recording_id)
    # Like an ECG and a chunk, the end is a message that is durable now, so the answer is the same 201.
    return JsonResponse({"id": recording_id, "number_of_samples": total}, HTTPStatus.CREATED)


@direct.get(
    "/recordings/{recording_id}/insights",
    summary="Read a recording's insights",
    response_model=schemas.RecordingInsights,
    openapi_extra={"parameters": [PREFER]},
    responses={
        200: success("The insights so far.", schemas.EXAMPLE_INSIGHTS),
        202: _ACCEPTED,
        **USER_ERRORS,
        404: _NOT_FOUND,
        422: problem(
            "The recording was accepted, but could not be processed.",
            "leads: must hold at most 64 leads in a recording, not 65",
        ),
        503: _MOVED,
    },
)
async def read_recording_insights(request: Request, recording_id: str, user: User) -> JsonResponse:
    """Return the insights of the caller's recording so far."""
    services = services_of(request, RecordingServices)
    wait, applied = services.long_polls.wait(request)
    found = await services.lookup.find(request, recording_id, user, wait, recording=True)
    if found is None:
        return JsonResponse({"detail": _PENDING}, HTTPStatus.ACCEPTED, applied)
    [label] = await services.labels.of([found])
    await services.audit.record("insights_read", user, recording_id)
    _check_processed(found)
    return JsonResponse(answers.insights(found, label), headers=applied)


@router.get(
    "/recordings",
    summary="List your recordings",
    response_model=schemas.RecordingList,
    responses={
        200: success("A page.", schemas.EXAMPLE_LIST),
        **USER_ERRORS,
        **paging.ERRORS,
    },
)
async def list_recordings(
    services: Services,
    user: User,
    limit: Annotated[int, paging.limit("recordings")] = 50,
    cursor: paging.Cursor = None,
    label: Annotated[str | None, paging.label_prefix("recordings")] = None,
) -> JsonResponse:
    """Return a page of the caller's recordings, the latest accepted first, as `GET /ecgs` does for ECGs."""
    rows, following = await services.recording_list.page(user, limit, cursor, label)
    await services.audit.record("recordings_listed", user)
    page = [answers.summary(row, named) for row, named in rows]
    return JsonResponse({"username": user, "recordings": page, "next": following})


@router.get(
    "/recordings/{recording_id}/minutes",
    summary="Read minutes of a recording",
    response_model=schemas.Minutes,
    responses={
        200: success("A page.", schemas.EXAMPLE_MINUTES),
        202: _ACCEPTED,
        **USER_ERRORS,
        404: _NOT_FOUND,
        422: problem("A parameter is unknown, or not valid.", "to: must not be below `from`", "to"),
        503: _MOVED,
    },
)
async def read_minutes(
    services: Services,
    request: Request,
    recording_id: str,
    user: User,
    *,
    first: Annotated[
        int, Query(alias="from", ge=0, description="The first minute; that of the first sample is 0.")
    ] = 0,
    to: Annotated[int | None, Query(ge=0, description="The minute after the last. By default, all are read.")] = None,
) -> JsonResponse:
    """Return the beats and rates of each minute of the caller's recording, at most 1440 minutes at a time."""
    row = await services.lookup.find(request, recording_id, user, recording=True)
    if row is None:
        return JsonResponse({"detail": _PENDING}, HTTPStatus.ACCEPTED)
    _check_order(first, to)
    _check_processed(row)
    samples_of_a_minute = (row.sampling_rate or 1.0) * _SECONDS_OF_A_MINUTE
    there = math.ceil(answers.progress_of(row).end / samples_of_a_minute)
    last = there if to is None else min(to, there)
    end = min(last, first + schemas.MINUTES_OF_A_PAGE)
    rows = []
    if first < end:
        rows = await services.workers.parts(recording_id, MINUTE, range(first, end), schemas.MINUTES_OF_A_PAGE)
    await services.audit.record("insights_read", user, recording_id)
    minutes = [answers.minute(decode_minute(bytes(minute))) for minute in rows]
    return JsonResponse({"id": recording_id, "minutes": minutes, "next": end if first < end < last else None})


@router.get(
    "/recordings/{recording_id}/signals",
    summary="Read samples of a recording",
    response_model=schemas.Samples,
    responses={
        200: in_packed(
            success("The samples.", schemas.EXAMPLE_SIGNALS), schemas.PackedSamples, schemas.EXAMPLE_PACKED_SIGNALS
        ),
        202: _ACCEPTED,
        **USER_ERRORS,
        404: _NOT_FOUND,
        410: problem(
            "Some of these samples are no longer kept, but the insights are.",
            "The signals before sample 5000 are no longer kept; the insights still are",
        ),
        422: problem(
            "A parameter is not valid, or the answer would be too large.",
            "to: must be at most 349525: an answer has at most 349525 samples of 12 leads",
            "to",
        ),
        503: unavailable(UNREADABLE),
    },
)
async def read_samples(
    services: Services,
    request: Request,
    recording_id: str,
    user: User,
    *,
    first: Annotated[int, Query(alias="from", ge=0, le=_LAST_SAMPLE, description="The first sample.")] = 0,
    to: Annotated[
        int | None,
        Query(ge=0, description="The sample after the last. By default, as many as an answer may have are read."),
    ] = None,
) -> Response:
    """Return samples of the caller's recording, as long as they are kept, and none beyond its end so far.

    Missing samples are 0, and their ranges are in `missing`, relative to the first sample of the answer. An answer has
    at most as many samples as a body of the largest size holds at 4 bytes each, from at most 1000 chunks.
    """
    row = await services.lookup.find(request, recording_id, user, recording=True)
    if row is None:
        return JsonResponse({"detail": _PENDING}, HTTPStatus.ACCEPTED)
    _check_order(first, to)
    _check_processed(row)
    async with services.signals.reading(row, *services.signals.range(row, first, to)) as samples:
        await services.audit.record("signals_read", user, recording_id)
        if preferred(request.headers.getlist("accept"), packed.CONTENT_TYPE):
            return Response(answers.packed_signals(row, samples), media_type=packed.CONTENT_TYPE)
        return JsonResponse(answers.signals(row, samples))


def _check_order(first: int, end: int | None) -> None:
    if end is not None and end < first:
        raise Unprocessable("to: must not be below `from`", field="to")


def _check_processed(row: Insights) -> None:
    """Check that a recording could be processed.

    Raises:
        Unprocessable: if it could not.
    """
    if row.error is not None:
        raise Unprocessable(row.error)
