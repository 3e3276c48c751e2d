"""The call that follows a user's ECGs."""

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
    summary="Follow one's ECGs as they finish",
    status_code=HTTPStatus.OK,
    response_class=EventStream,
    openapi_extra={"parameters": [schemas.LAST_EVENT_ID]},
    responses={
        200: {
            "description": "A stream of server-sent events, without an end. An event may come again, above all after "
            "the stream was resumed; none is left out. Of an ECG that finished several times meanwhile, the last one "
            "comes. An `id` without data only says where to resume.",
            "content": {MEDIA_TYPE: {"schema": {"type": "string"}, "example": schemas.EXAMPLE_EVENTS}},
        },
        **USER_ERRORS,
        422: problem("The id is none of an event.", "last-event-id: must be the id of an event ...", "last-event-id"),
        429: too_many(
            "More than 32 streams of one user, ...", "The user has too many streams, or too many wrong tokens"
        ),
        503: unavailable("The insights cannot be followed now, try again"),
    },
)
async def follow_events(services: Services, request: Request, user: User) -> EventStream:
    """Answer with a stream of the caller's ECGs, each as soon as it is done or has failed."""
    return services.streams.open(request, user)
