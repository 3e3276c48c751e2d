"""The collaborators for erasures."""

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import Depends

from ingest_api.erasures.erase import Eraser
from ingest_api.http.services import provided
from ingest_api.users.services import UserServices


@dataclass(frozen=True, kw_only=True)
class ErasureServices(UserServices):
    """The collaborators of the endpoints that erase."""

    eraser: Eraser


Services: TypeAlias = Annotated[ErasureServices, Depends(provided(ErasureServices))]
