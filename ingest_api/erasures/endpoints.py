"""The endpoints that erase: the administrator deletes a user, a user erases an ECG or a recording."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from ingest_api.erasures.schemas import UNDER_WAY, UNDER_WAY_DETAIL
from ingest_api.erasures.services import Services
from ingest_api.http.openapi import EXAMPLE_ID, problem, unavailable
from ingest_api.http.responses import JsonResponse
from ingest_api.users.schemas import ADMIN_ERRORS, USER_ERRORS
from ingest_api.users.services import Admin, User

of_users = APIRouter(tags=["users"], dependencies=[Admin])
of_ecgs = APIRouter(tags=["ecgs"])
of_recordings = APIRouter(tags=["recordings"])


@of_users.delete(
    "/users/{username:path}",
    summary="Delete a user and all of their ECGs and recordings",
    status_code=HTTPStatus.NO_CONTENT,
    responses={
        202: UNDER_WAY,
        204: {"description": "The user is deleted, and all of their ECGs and recordings are erased."},
        **ADMIN_ERRORS,
        404: problem("There is no such user.", "User not found: st-marys"),
        503: unavailable("The deletion was not acknowledged by the broker, try again"),
    },
)
async def delete_user(services: Services, username: str) -> Response:
    """Delete a user and all of their ECGs and recordings. The token is revoked, the name may be registered again."""
    return _erased(await services.eraser.erase_user(username))


@of_ecgs.delete(
    "/ecgs/{ecg_id}",
    summary="Erase an ECG",
    status_code=HTTPStatus.NO_CONTENT,
    responses={
        202: UNDER_WAY,
        204: {"description": "The ECG is erased."},
        **USER_ERRORS,
        404: problem("There is no such ECG of this user.", f"ECG not found for id {EXAMPLE_ID}"),
        503: unavailable("The erasure was not acknowledged by the broker, try again"),
    },
)
async def erase_ecg(services: Services, request: Request, ecg_id: str, user: User) -> Response:
    """Erase the caller's ECG: no answer will contain its signals and its insights again."""
    return _erased(await services.eraser.erase_ecg(request, user, ecg_id))


@of_recordings.delete(
    "/recordings/{recording_id}",
    summary="Erase a recording",
    status_code=HTTPStatus.NO_CONTENT,
    responses={
        202: UNDER_WAY,
        204: {"description": "The recording is erased."},
        **USER_ERRORS,
        404: problem("There is no such recording of this user.", f"Recording not found for id {EXAMPLE_ID}"),
        503: unavailable("The erasure was not acknowledged by the broker, try again"),
    },
)
async def erase_recording(services: Services, request: Request, recording_id: str, user: User) -> Response:
    """Erase the caller's recording: no answer will contain its signals, insights and minutes again.

    Stop the device first: a chunk that is sent after the erasure begins a new recording with the same id.
    """
    return _erased(await services.eraser.erase_recording(request, user, recording_id))


def _erased(carried_out: bool) -> Response:
    return (
        Response(status_code=HTTPStatus.NO_CONTENT)
        if carried_out
        else JsonResponse({"detail": UNDER_WAY_DETAIL}, HTTPStatus.ACCEPTED)
    )
