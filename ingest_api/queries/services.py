"""The collaborators for queries."""

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import Depends

from ingest_api.audit.writer import AuditWriter
from ingest_api.http.services import provided
from ingest_api.queries.ecg_list import EcgList
from ingest_api.queries.labels import Labels
from ingest_api.queries.long_poll import LongPolls
from ingest_api.queries.lookup import Lookup
from ingest_api.queries.stored_ecgs import StoredEcgs
from ingest_api.queries.worker_client import WorkerClient
from ingest_api.users.services import UserServices


@dataclass(frozen=True, kw_only=True)
class QueryServices(UserServices):
    """The collaborators of the endpoints that read."""

    audit: AuditWriter
    workers: WorkerClient
    long_polls: LongPolls
    lookup: Lookup
    labels: Labels
    ecg_list: EcgList
    stored_ecgs: StoredEcgs


Services: TypeAlias = Annotated[QueryServices, Depends(provided(QueryServices))]
