"""The collaborators for recordings."""

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import Depends

from ingest_api.http.services import provided
from ingest_api.queries.ecg_list import EcgList
from ingest_api.queries.services import QueryServices
from ingest_api.recordings.signals import Signals
from ingest_api.recordings.submit import Recordings


@dataclass(frozen=True, kw_only=True)
class RecordingServices(QueryServices):
    """The collaborators of the endpoints for recordings."""

    recordings: Recordings
    recording_list: EcgList
    signals: Signals


Services: TypeAlias = Annotated[RecordingServices, Depends(provided(RecordingServices))]
