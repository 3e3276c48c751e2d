"""The endpoint that streams a user's ECGs as they finish."""

from http import HTTPStatus

from fastapi import APIRouter, Request

from ingest_api.events import schemas
from ingest_api.events.services import Services
from ingest_api.events.sse import MEDIA_TYPE, EventStream
from ingest_api.http.openapi import problem, too_many, unavailable
from ingest_api.users.schemas import USER_ERRORS
from ingest_api.users.services import User

router = APIRouter(tags=["ecgs"])


@router.get(
    "/events",
    summary="Follow your ECGs as they finish",
    status_code=HTTPStatus.OK,
    response_class=EventStream,
    openapi_extra={"parameters": [schemas.LAST_EVENT_ID]},
    responses={
        200: {
            "description": "An endless stream of server-sent events. No event is left out, but one may come again, "
            "above all after the stream was resumed. If an ECG finished several times meanwhile, only its last event "
            "is sure to come. A recording has an event for each progress; if there were several meanwhile, only the "
            "last one is sure to come. An `id` without data only marks where to resume.",
            "content": {MEDIA_TYPE: {"schema": {"type": "string"}, "example": schemas.EXAMPLE_EVENTS}},
        },
        **USER_ERRORS,
        422: problem(
            "The id is not that of an event.", "last-event-id: must be the id of an event ...", "last-event-id"
        ),
        429: too_many(
            "You have 32 open streams, the limit: close one, or try again later",
            "The user has too many streams, or too many wrong tokens",
        ),
        503: unavailable("The insights cannot be followed now, try again"),
    },
)
async def follow_events(services: Services, request: Request, user: User) -> EventStream:
    """Stream the caller's ECGs, each as soon as it is done or has failed, and the progress of their recordings."""
    return services.streams.open(request, user)
