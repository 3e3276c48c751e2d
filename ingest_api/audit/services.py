"""The collaborators for reading the audit."""

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import Depends

from ingest_api.audit.reader import AuditReader
from ingest_api.http.services import GatewayServices, provided


@dataclass(frozen=True, kw_only=True)
class AuditServices(GatewayServices):
    """The collaborators of the endpoint that reads the audit."""

    audit_reader: AuditReader


Services: TypeAlias = Annotated[AuditServices, Depends(provided(AuditServices))]
