"""The HTTP contract: one short handler per call."""

import asyncio
import re
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from aiokafka.errors import KafkaError
from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ValidationError

from ingest_api import readiness, schemas
from ingest_api.audit.reader import Selection
from ingest_api.events.sse import MEDIA_TYPE, EventStream, Streams
from ingest_api.http.errors import Gone, NotFound, Unavailable, Unprocessable
from ingest_api.http.prefer_header import MAX_WAIT_SECONDS, wait_seconds
from ingest_api.http.responses import JsonResponse
from ingest_api.queries import answers
from ingest_api.queries.submission_reader import Message
from ingest_api.schemas import problem, success, too_many, unavailable
from ingest_api.submissions.submit import announced_length, check_media_type, read_body
from ingest_api.users.authentication import TOO_MANY_FAILURES, Admin, User
from shared import encoding
from shared.ecg import Ecg, check_username
from shared.errors import InvalidEcg
from shared.messages.audit import ADMIN, Action
from shared.messages.insights import Insights
from shared.security import ids
from shared.security.data_keys import KeyDestroyed
from shared.security.sealing import Broken
from shared.worker_protocol.listing import merge, position

_MAX_USER_BODY = 4096
_MAX_PAGE = 200
_MAX_USERS = 1000
_MAX_EVENTS = 1000
_PENDING = "Insights are still being processed"
_GONE = "The signals are no longer kept, the insights are"

_BODY_ERRORS: dict[int | str, dict[str, Any]] = {
    413: problem("The body is over the limit.", "body: must not be over 16777216 bytes (16.0 MiB)"),
    415: problem("The body is not plain JSON.", "content-type: must be application/json", "content-type"),
}
_TOO_MANY_FAILURES = too_many(TOO_MANY_FAILURES, "The token is wrong, as many from the same address were")
_UNDER_WAY_DETAIL = "The erasure is certain, and under way"
_UNDER_WAY = problem("No worker has carried it out yet; it is certain to be.", _UNDER_WAY_DETAIL)
_USER_ERRORS: dict[int | str, dict[str, Any]] = {
    401: problem("The token is missing, unknown or expired.", "Invalid user token"),
    429: _TOO_MANY_FAILURES,
}
_ADMIN_ERRORS: dict[int | str, dict[str, Any]] = {
    401: problem("The admin token is missing or wrong.", "Invalid admin token"),
    429: _TOO_MANY_FAILURES,
}

_IDEMPOTENCY_KEY = {
    "name": "idempotency-key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "description": "Makes it safe to send a submission again: the same key and content are the same ECG, on every "
    "gateway, at any time. The same key with another content is another ECG.",
    "example": "recorder-7/2026-11-24/0001",
}

_PREFER = {
    "name": "prefer",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": f"`wait=N` (RFC 7240): answer as soon as the insights are there, or after N seconds, at most "
    f"{MAX_WAIT_SECONDS}. `Preference-Applied` in the answer says that it was done; a gateway for which too many wait "
    "answers at once.",
    "example": "wait=10",
}

_LAST_EVENT_ID = {
    "name": "last-event-id",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "The `id` that came last: the stream resumes after it, on any gateway.",
}
_EVENTS = """retry: 1000
id: a8gxQ...

event: insights
data: {"ecg_id":"5f0c0b9e-4d1b-8a3e-9c55-0d8b6f1d2a77","leads":[{"name":"I","number_of_zero_crossings":3}]}
id: 1zNfk...

event: failed
data: {"ecg_id":"9e107d9d-372b-8826-b1d1-3f6e1c3a4b5c","detail":"leads: an insight could not be computed (...)"}
id: mX0bs...

: keep-alive
id: Yw9cD...
"""


def _no_number(text: object) -> object:
    if isinstance(text, str) and re.fullmatch(r"\s*[-+0-9._eE]*\s*", text):
        raise ValueError("must be in ISO 8601, with a zone")
    return text


# Pydantic takes a number for the seconds or milliseconds since 1970, which is not what is documented.
_Moment = Annotated[AwareDatetime, BeforeValidator(_no_number)]

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
    if missing := await readiness.missing(request.app.state):
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
    response_model_exclude_none=True,
    dependencies=[Admin],
    openapi_extra=_body(schemas.UserIn),
    responses={
        201: success(
            "The user, and the token.",
            {"username": "st-marys", "token": schemas.EXAMPLE_TOKEN, "expires_at": "2027-02-22T10:00:00Z"},
        ),
        **_ADMIN_ERRORS,
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
        user = schemas.UserIn.model_validate_json(body)
        username = check_username(user.username)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "body"
        raise Unprocessable(f"{field}: {first['msg']}", field=field) from None
    except InvalidEcg as error:
        raise Unprocessable(str(error), field=error.field) from None
    state = request.app.state
    try:
        async with asyncio.timeout(state.settings.publish_timeout):
            # On record before it is done: whatever was done is.
            action: Action = "token_rotated" if await state.users.has(username) else "user_registered"
            await state.audit.record(action, username, who=ADMIN)
            token, expires_at = await state.users.register(username, user.expires_in)
    except (KafkaError, TimeoutError):
        raise Unavailable("The user was not acknowledged by the broker, try again", missing="broker") from None
    return schemas.UserToken(username=username, token=token, expires_at=expires_at)


@router.get(
    "/users",
    tags=["users"],
    summary="List the users",
    response_model=schemas.UserList,
    dependencies=[Admin],
    responses={
        200: success("A page.", {"users": [schemas.EXAMPLE_USER], "next": "st-marys"}),
        **_ADMIN_ERRORS,
        422: problem("The limit cannot be one.", "limit: Input should be greater than or equal to 1", "limit"),
        503: unavailable("The users cannot be listed now, try again"),
    },
)
async def list_users(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=_MAX_USERS, description="How many at most.")] = 100,
    after: Annotated[str, Query(description="The `next` of the page before.")] = "",
) -> schemas.UserList:
    """Answer a page of the users by name; no token, nor anything of one."""
    state = request.app.state
    try:
        async with asyncio.timeout(state.settings.query_timeout):
            accounts = await state.users.page(limit + 1, after)
    except (KafkaError, TimeoutError):
        raise Unavailable("The users cannot be listed now, try again", missing="broker") from None
    users = [schemas.User.model_validate(account, from_attributes=True) for account in accounts[:limit]]
    return schemas.UserList(users=users, next=users[-1].username if len(accounts) > limit else None)


@router.delete(
    "/users/{username:path}",
    tags=["users"],
    summary="Delete a user and all of their ECGs",
    status_code=HTTPStatus.NO_CONTENT,
    dependencies=[Admin],
    responses={
        202: _UNDER_WAY,
        204: {"description": "The user is deleted, and all of their ECGs are erased."},
        **_ADMIN_ERRORS,
        404: problem("There is no such user.", "User not found: st-marys"),
        503: unavailable("The deletion was not acknowledged by the broker, try again"),
    },
)
async def delete_user(request: Request, username: str) -> Response:
    """Delete a user with all of their ECGs: the token opens nothing any more. The name may be registered again."""
    state = request.app.state
    try:
        async with asyncio.timeout(state.settings.query_timeout):
            known = await state.users.has(username)
    except (KafkaError, TimeoutError):
        raise Unavailable("The deletion was not acknowledged by the broker, try again", missing="broker") from None
    if known:
        # On record before it is done: whatever was done is.
        await state.audit.record("user_deleted", username, who=ADMIN)
    found, carried_out = await state.erasing.erase_user(username)
    if not found:
        raise NotFound(f"User not found: {username}")
    return _erased(carried_out)


@router.get(
    "/audit",
    tags=["audit"],
    summary="Who submitted, read or erased what, and when",
    response_model=schemas.AuditPage,
    dependencies=[Admin],
    responses={
        200: success("A page.", {"events": [schemas.EXAMPLE_EVENT], "next": "AAABk1..."}),
        **_ADMIN_ERRORS,
        422: problem("A parameter cannot be one.", "cursor: must be the `next` of a page", "cursor"),
        503: unavailable("The audit cannot be read now, try again"),
    },
)
async def read_audit(
    request: Request,
    *,
    username: Annotated[str | None, Query(description="Only what this user did, or was done with their data.")] = None,
    ecg_id: Annotated[str | None, Query(description="Only what is about this ECG.")] = None,
    since: Annotated[_Moment | None, Query(description="The first moment, in ISO 8601 with a zone.")] = None,
    until: Annotated[_Moment | None, Query(description="The moment after the last.")] = None,
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
        events, following = await request.app.state.trail.page(Selection(username, ecg_id, since, until), limit, cursor)
    except ValueError:
        raise Unprocessable("cursor: must be the `next` of a page", field="cursor") from None
    return JsonResponse({"events": msgspec.to_builtins(events), "next": following})


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
        429: too_many("Over the quota of 600 ecgs a minute, try again later", "Over a quota, or too many wrong tokens"),
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
    openapi_extra={"parameters": [_PREFER]},
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
    wait = 0 if request.app.state.waiting.full else wait_seconds(request.headers.getlist("prefer"))
    applied = {"preference-applied": f"wait={wait}"} if wait else None
    found = await _find(request, ecg_id, user, wait)
    if found is None:
        return JsonResponse({"detail": _PENDING}, HTTPStatus.ACCEPTED, applied)
    await request.app.state.audit.record("insights_read", user, ecg_id)
    if found.error is not None:
        raise Unprocessable(found.error)
    return JsonResponse({"ecg_id": found.ecg_id, "leads": found.leads}, headers=applied)


@router.get(
    "/ecgs",
    tags=["ecgs"],
    summary="List your ECGs",
    response_model=schemas.EcgList,
    responses={
        200: success("A page.", schemas.EXAMPLE_LIST),
        **_USER_ERRORS,
        422: problem("Limit or cursor cannot be one.", "cursor: must be the `next` of a page of yours", "cursor"),
        503: unavailable("The list is being moved to another worker, try again"),
    },
)
async def list_ecgs(
    request: Request,
    user: User,
    limit: Annotated[int, Query(ge=1, le=_MAX_PAGE, description="How many at most.")] = 50,
    cursor: Annotated[str | None, Query(description="The `next` of the page before.")] = None,
) -> JsonResponse:
    """Answer a page of the caller's processed ECGs, the latest accepted first.

    Who follows `next` to its end sees each ECG that was there at the beginning once, whatever comes meanwhile.
    """
    state = request.app.state
    try:
        after = state.cursors.open(user, cursor) if cursor is not None else None
    except ValueError:
        raise Unprocessable("cursor: must be the `next` of a page of yours", field="cursor") from None
    rows, more = merge(await state.workers.pages(user, limit, after), limit)
    await state.audit.record("ecgs_listed", user)
    following = state.cursors.seal(user, position(rows[-1])) if more else None
    return JsonResponse({"ecgs": [answers.summary(row) for row in rows], "next": following})


@router.get(
    "/ecgs/{ecg_id}",
    tags=["ecgs"],
    summary="Read an ECG as it was submitted",
    response_model=schemas.StoredEcg,
    responses={
        200: success("The ECG.", schemas.EXAMPLE_ECG),
        202: problem("Accepted, and not yet processed.", _PENDING),
        **_USER_ERRORS,
        404: problem("There is no such ECG of this user.", f"ECG not found for id {schemas.EXAMPLE_ID}"),
        410: problem("Its signals were kept as long as they are; its insights stay.", _GONE),
        422: problem("Accepted, and then impossible to read.", "leads[0].signal: must hold integers only"),
        503: unavailable("The signals cannot be read now, try again"),
    },
)
async def read_ecg(request: Request, ecg_id: str, user: User) -> JsonResponse:
    """Answer the caller's ECG with its signals, for as long as submissions are kept."""
    found = await _find(request, ecg_id, user)
    if found is None:
        return JsonResponse({"detail": _PENDING}, HTTPStatus.ACCEPTED)
    async with request.app.state.records.reading(ecg_id, found.offset) as message:
        try:
            ecg = await _opened(request, ecg_id, message) if message is not None else None
        except (InvalidEcg, Broken):
            if found.error is not None:
                raise Unprocessable(found.error) from None
            ecg = None
        # Whatever the offset leads to is shown only if it is this ECG of this user.
        if ecg is None or (ecg.id, ecg.username) != (found.ecg_id, user):
            raise Gone(_GONE)
        await request.app.state.audit.record("signals_read", user, ecg_id)
        return JsonResponse(answers.stored_ecg(found, ecg))


async def _opened(request: Request, ecg_id: str, message: Message) -> Ecg | None:
    """Return an ECG, or None if the key that it was sealed with is destroyed.

    Raises:
        InvalidEcg, Broken: if it is none.
        Unavailable: if the broker cannot be asked for the key.
    """
    value = message.value
    if message.data_key is not None:
        state = request.app.state
        try:
            async with asyncio.timeout(state.settings.query_timeout):
                value = await state.keys.open(message.data_key, ecg_id, value)
        except KeyDestroyed:
            return None
        except (KafkaError, TimeoutError):
            raise Unavailable("The signals cannot be read now, try again", missing="broker") from None
    return encoding.decode(value, message.content_type)


async def _find(request: Request, ecg_id: str, user: str, wait: int = 0) -> Insights | None:
    """Return the row of the caller's ECG, or None while it is not processed; wait for it as long as this, in seconds.

    Raises:
        NotFound: if the caller has no such ECG, or not any more.
    """
    state = request.app.state
    issued_here = state.issuer.belongs(ecg_id, user)
    # An issued id is signed for its owner; and after its erasure no row names one.
    owner = None if issued_here else user
    found: Insights | None
    if not ids.is_valid(ecg_id):
        found = None
    elif wait and (issued_here or not ids.is_issued(ecg_id)):
        found = await state.waiting.find(request, ecg_id, owner, wait)
    else:
        # What a gateway issued to another user is asked for too, for the audit: it is not worth a wait.
        try:
            found = await state.workers.find(ecg_id, owner)
        except Unavailable:
            # The answer to such an id is known without a worker.
            if issued_here or not ids.is_issued(ecg_id):
                raise
            found = None
    if found is not None and found.username == user:
        return found
    if issued_here and not (found is not None and found.erased):
        return None
    if found is not None and not found.erased:
        # On record after the answer, whose time would otherwise tell that there is such an ECG.
        state.audit.note_later("refused", found.username, ecg_id, user)
    raise NotFound(f"ECG not found for id {ecg_id}")


@router.delete(
    "/ecgs/{ecg_id}",
    tags=["ecgs"],
    summary="Erase an ECG",
    status_code=HTTPStatus.NO_CONTENT,
    responses={
        202: _UNDER_WAY,
        204: {"description": "The ECG is erased."},
        **_USER_ERRORS,
        404: problem("There is no such ECG of this user.", f"ECG not found for id {schemas.EXAMPLE_ID}"),
        503: unavailable("The erasure was not acknowledged by the broker, try again"),
    },
)
async def erase_ecg(request: Request, ecg_id: str, user: User) -> Response:
    """Erase the caller's ECG, its signals and its insights. It cannot be brought back."""
    state = request.app.state
    # What a gateway issued to the caller needs no worker: its erasure is as certain as its submission was.
    if not state.issuer.belongs(ecg_id, user):
        await _find(request, ecg_id, user)
    await state.audit.record("ecg_erased", user, ecg_id)
    return _erased(await state.erasing.erase(user, ecg_id))


def _erased(carried_out: bool) -> Response:
    return (
        Response(status_code=HTTPStatus.NO_CONTENT)
        if carried_out
        else JsonResponse({"detail": _UNDER_WAY_DETAIL}, HTTPStatus.ACCEPTED)
    )


@router.get(
    "/events",
    tags=["ecgs"],
    summary="Follow one's ECGs as they finish",
    status_code=HTTPStatus.OK,
    response_class=EventStream,
    openapi_extra={"parameters": [_LAST_EVENT_ID]},
    responses={
        200: {
            "description": "A stream of server-sent events, without an end. An event may come again, above all after "
            "the stream was resumed; none is left out. Of an ECG that finished several times meanwhile, the last one "
            "comes. An `id` without data only says where to resume.",
            "content": {MEDIA_TYPE: {"schema": {"type": "string"}, "example": _EVENTS}},
        },
        **_USER_ERRORS,
        422: problem("The id is none of an event.", "last-event-id: must be the id of an event ...", "last-event-id"),
        429: too_many(
            "More than 32 streams of one user, ...", "The user has too many streams, or too many wrong tokens"
        ),
        503: unavailable("The insights cannot be followed now, try again"),
    },
)
async def follow_events(request: Request, user: User) -> EventStream:
    """Answer with a stream of the caller's ECGs, each as soon as it is done or has failed."""
    streams: Streams = request.app.state.streams
    return streams.open(request, user)
