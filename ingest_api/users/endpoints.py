"""The administrator's endpoints: registering and listing users."""

from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from pydantic import ValidationError

from ingest_api.http.body import BodyLimit, announced_length, check_media_type, read_body
from ingest_api.http.errors import Unprocessable
from ingest_api.http.openapi import body, body_errors, created, problem, success, unavailable
from ingest_api.users import schemas
from ingest_api.users.services import Admin, Services
from shared.ecg import check_username
from shared.encoding import plain
from shared.errors import InvalidEcg, UnknownField

_LIMIT = BodyLimit(4096)
_MAX_USERS = 1000

router = APIRouter(tags=["users"], dependencies=[Admin])


@router.post(
    "/users",
    summary="Register a user, or give one a new token",
    status_code=HTTPStatus.CREATED,
    response_model=schemas.UserToken,
    response_model_exclude_none=True,
    openapi_extra=body(schemas.UserIn),
    responses={
        201: created(
            "The user and the new token.",
            {"username": "st-marys", "token": schemas.EXAMPLE_TOKEN, "expires_at": "2027-02-22T10:00:00Z"},
            "/users/{username}",
        ),
        **schemas.ADMIN_ERRORS,
        **body_errors(_LIMIT, plain.CONTENT_TYPE),
        422: problem("The username is missing or not allowed.", "username: Field required", "username"),
        503: unavailable("The user was not acknowledged by the broker, try again"),
    },
)
async def register_user(services: Services, request: Request, response: Response) -> schemas.UserToken:
    """Return the user's new token, which is shown only once. It revokes any earlier token."""
    user = await _user(request)
    token, expires_at = await services.administration.register(user.username, user.expires_in)
    response.headers["location"] = f"/users/{quote(user.username, safe='')}"
    return schemas.UserToken(username=user.username, token=token, expires_at=expires_at)


@router.get(
    "/users",
    summary="List the users",
    response_model=schemas.UserList,
    responses={
        200: success("A page.", {"users": [schemas.EXAMPLE_USER], "next": "st-marys"}),
        **schemas.ADMIN_ERRORS,
        422: problem(
            "A parameter is unknown, or not valid.", "limit: Input should be greater than or equal to 1", "limit"
        ),
        503: unavailable("The users cannot be listed now, try again"),
    },
)
async def list_users(
    services: Services,
    limit: Annotated[int, Query(ge=1, le=_MAX_USERS, description="Maximum number of users.")] = 100,
    after: Annotated[str, Query(description="The `next` of the previous page.")] = "",
) -> schemas.UserList:
    """Return a page of the users, sorted by name, without their tokens."""
    accounts, following = await services.administration.page(limit, after)
    users = [schemas.User.model_validate(account, from_attributes=True) for account in accounts]
    return schemas.UserList(users=users, next=following)


async def _user(request: Request) -> schemas.UserIn:
    """Read and check the body, which FastAPI would do before authentication.

    Raises:
        TooLarge, UnsupportedMediaType, Unprocessable: if it is not a valid user.
    """
    check_media_type(request)
    announced_length(request, _LIMIT)
    content = await read_body(request, _LIMIT)
    try:
        user = schemas.UserIn.model_validate_json(content)
        check_username(user.username)
    except ValidationError as error:
        raise _refusal(error) from None
    except InvalidEcg as error:
        raise Unprocessable(str(error), field=error.field) from None
    return user


def _refusal(error: ValidationError) -> Unprocessable:
    """Return the answer to an invalid body: a misspelt field comes before the one that is missing therefore."""
    problems = error.errors(include_input=False, include_url=False)
    unknown = next((problem for problem in problems if problem["type"] == "extra_forbidden"), None)
    if unknown is not None:
        refused = UnknownField("body", str(unknown["loc"][0]), "a user", schemas.UserIn.model_fields)
        return Unprocessable(str(refused), field=refused.field)
    field = ".".join(map(str, problems[0]["loc"])) or "body"
    return Unprocessable(f"{field}: {problems[0]['msg']}", field=field)
