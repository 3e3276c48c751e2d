"""A client of the pipeline: submit recordings over HTTP, read their insights, and the command line `ecg`."""

from ecg_client.client import AsyncEcgClient, EcgClient
from ecg_client.errors import (
    ClientError,
    InvalidEcg,
    NotFound,
    NotProcessable,
    StillProcessing,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
)
from ecg_client.recordings import Recording, UnreadableRecording, read
from ecg_client.results import Insights, LeadInsights, RegisteredUser, User

__all__ = [
    "AsyncEcgClient",
    "ClientError",
    "EcgClient",
    "Insights",
    "InvalidEcg",
    "LeadInsights",
    "NotFound",
    "NotProcessable",
    "Recording",
    "RegisteredUser",
    "StillProcessing",
    "Unauthorized",
    "Unavailable",
    "UnexpectedAnswer",
    "UnreadableRecording",
    "User",
    "read",
]
