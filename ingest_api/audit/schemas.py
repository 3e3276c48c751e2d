"""The wire formats of the audit."""

import re
from datetime import datetime
from typing import Annotated, Final, get_args

from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field

from ingest_api.http.openapi import EXAMPLE_ID, EXAMPLE_TIME
from shared.messages.audit import ADMIN, Action

EXAMPLE_EVENT: Final = {
    "at": "2026-11-24T10:00:00.123456Z",
    "action": "insights_read",
    "who": "st-marys",
    "username": "st-marys",
    "ecg_id": EXAMPLE_ID,
    "request_id": "0d8b6f1d2a775f0c0b9e4d1b8a3e9c55",
}


def _no_number(text: object) -> object:
    if isinstance(text, str) and re.fullmatch(r"\s*[-+0-9._eE]*\s*", text):
        raise ValueError("must be in ISO 8601, with a zone")
    return text


# Pydantic also takes numbers, as seconds or milliseconds since 1970, which is not documented.
Moment = Annotated[AwareDatetime, BeforeValidator(_no_number)]


class AuditEvent(BaseModel):
    """An action on a user's data, without the data itself."""

    at: Annotated[
        datetime, Field(description="The time of the action, by the gateway's clock.", examples=[EXAMPLE_TIME])
    ]
    action: Annotated[
        str, Field(description=f"The action, one of {', '.join(get_args(Action))}.", examples=["insights_read"])
    ]
    who: Annotated[
        str, Field(description=f"The user who did it, or `{ADMIN}` for the administrator.", examples=["st-marys"])
    ]
    username: Annotated[str, Field(description="The user whose data it is.", examples=["st-marys"])]
    ecg_id: Annotated[
        str | None,
        Field(
            description="The ECG or recording, or null if the action is not about a single one.", examples=[EXAMPLE_ID]
        ),
    ]
    request_id: Annotated[str | None, Field(description="The `x-request-id` of the request.")]


class AuditPage(BaseModel):
    """A page of the audit, the oldest event first."""

    events: list[AuditEvent]
    next: Annotated[str | None, Field(description="The cursor of the next page, or null after the last.")]
