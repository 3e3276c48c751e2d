"""Python clients of the pipeline, which submit recordings over HTTP and read their insights; the command line `ecg`."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from shared import VERSION

if TYPE_CHECKING:
    from ecg_client.client import AsyncEcgClient, EcgClient
    from ecg_client.errors import (
        ClientError,
        Gone,
        InvalidEcg,
        NotFound,
        NotProcessable,
        StillProcessing,
        TooLarge,
        Unauthorized,
        Unavailable,
        UnexpectedAnswer,
    )
    from ecg_client.events import Event
    from ecg_client.live_recordings import AsyncLiveRecording, LiveRecording, StreamProgress
    from ecg_client.recording_results import (
        RecordingInsights,
        RecordingLead,
        RecordingSignals,
        RecordingSummary,
    )
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
    from shared.ecg import Lead

__version__ = VERSION

__all__ = [
    "AsyncEcgClient",
    "AsyncLiveRecording",
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
    "LiveRecording",
    "NotFound",
    "NotProcessable",
    "Recording",
    "RecordingInsights",
    "RecordingLead",
    "RecordingSignals",
    "RecordingSummary",
    "RegisteredUser",
    "StillProcessing",
    "StoredEcg",
    "StreamProgress",
    "TooLarge",
    "Unauthorized",
    "Unavailable",
    "UnexpectedAnswer",
    "UnreadableRecording",
    "User",
    "__version__",
    "read",
]

# Where the names come from. They are imported when they are first used: the command handles Ctrl-C before it imports
# them, which takes a second, and this package is imported before any line of the command runs.
_OWN = ("client", "errors", "events", "live_recordings", "recordings", "recording_results", "results")
_MODULES = (*(f"ecg_client.{name}" for name in _OWN), "shared.ecg")


def __getattr__(name: str) -> Any:
    if name in __all__:
        for module in _MODULES:
            found = import_module(module)
            if name in vars(found):
                return vars(found)[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
