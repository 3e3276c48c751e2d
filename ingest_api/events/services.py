"""The collaborators for event streams."""

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import Depends

from ingest_api.events.sse import Streams
from ingest_api.http.services import provided
from ingest_api.users.services import UserServices


@dataclass(frozen=True, kw_only=True)
class EventServices(UserServices):
    """The collaborators of the endpoint that streams events."""

    streams: Streams


Services: TypeAlias = Annotated[EventServices, Depends(provided(EventServices))]
