"""Python clients of the pipeline, which submit recordings over HTTP and read their insights; the command line `ecg`."""

from ecg_client.client import AsyncEcgClient, EcgClient
from ecg_client.errors import (
    ClientError,
    Gone,
    InvalidEcg,
    NotFound,
    NotProcessable,
    StillProcessing,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
)
from ecg_client.events import Event
from ecg_client.recordings import Calibration, Recording, UnreadableRecording, read
from ecg_client.results import (
    AuditEvent,
    EcgSummary,
    Insights,
    LeadInsights,
    LeadSummary,
    RegisteredUser,
    StoredEcg,
    User,
)
from shared import VERSION
from shared.ecg import Lead

__version__ = VERSION

__all__ = [
    "AsyncEcgClient",
    "AuditEvent",
    "Calibration",
    "ClientError",
    "EcgClient",
    "EcgSummary",
    "Event",
    "Gone",
    "Insights",
    "InvalidEcg",
    "Lead",
    "LeadInsights",
    "LeadSummary",
    "NotFound",
    "NotProcessable",
    "Recording",
    "RegisteredUser",
    "StillProcessing",
    "StoredEcg",
    "Unauthorized",
    "Unavailable",
    "UnexpectedAnswer",
    "UnreadableRecording",
    "User",
    "__version__",
    "read",
]
