"""The wire formats of users: the administrator's requests and answers, and the errors of authentication."""

from datetime import datetime
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from ingest_api.http.openapi import EXAMPLE_TIME, Responses, too_many, unauthorized
from ingest_api.users.authentication import TOO_MANY_FAILURES
from shared.ecg import JSON_SCHEMA, MAX_USERNAME

# Ten years: a longer lifetime is a typing error.
MAX_LIFETIME = 315_360_000
EXAMPLE_TOKEN = "ecg_0RCMtXYTnZkFKvRGXEwGMOUhcfLN3WC48aOWwnPkqpQ3SGnWX"  # noqa: S105 - nobody's
EXAMPLE_USER: Final = {
    "username": "st-marys",
    "created_at": EXAMPLE_TIME,
    "issued_at": EXAMPLE_TIME,
    "expires_at": EXAMPLE_TIME,
}

_TOO_MANY_FAILURES = too_many(
    TOO_MANY_FAILURES, "The token is wrong, and too many wrong tokens came from the same address"
)
USER_ERRORS: Final[Responses] = {
    401: unauthorized("Invalid user token", "The token is missing, unknown or expired, or there are different ones."),
    429: _TOO_MANY_FAILURES,
}
ADMIN_ERRORS: Final[Responses] = {
    401: unauthorized("Invalid admin token", "The admin token is missing or wrong, or there are different ones."),
    429: _TOO_MANY_FAILURES,
}


class UserIn(BaseModel):
    """A user to register."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"username": "st-marys", "expires_in": 7_776_000}]}
    )

    username: Annotated[
        str,
        Field(min_length=1, max_length=MAX_USERNAME, examples=["st-marys"], json_schema_extra=JSON_SCHEMA["username"]),
    ]
    expires_in: Annotated[
        int | None,
        Field(
            strict=True,
            ge=1,
            le=MAX_LIFETIME,
            examples=[7_776_000],
            description="Seconds until the token expires. By default it never does.",
        ),
    ] = None


class UserToken(BaseModel):
    """A user's new token, which is shown only once."""

    username: Annotated[str, Field(examples=["st-marys"])]
    token: Annotated[str, Field(examples=[EXAMPLE_TOKEN])]
    expires_at: Annotated[datetime | None, Field(examples=["2027-02-23T10:00:00Z"])] = None


class User(BaseModel):
    """A user, without the token."""

    username: Annotated[str, Field(examples=["st-marys"])]
    created_at: Annotated[datetime, Field(description="When the user was registered.", examples=[EXAMPLE_TIME])]
    issued_at: Annotated[datetime, Field(description="When the current token was issued.", examples=[EXAMPLE_TIME])]
    expires_at: Annotated[
        datetime | None, Field(description="When the token expires, or null if it never does.", examples=[None])
    ]


class UserList(BaseModel):
    """A page of the users, sorted by name."""

    users: list[User]
    next: Annotated[
        str | None, Field(description="`after` of the next page, or null after the last user.", examples=["st-marys"])
    ]
