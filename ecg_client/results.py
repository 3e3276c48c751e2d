"""What calls return."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import msgspec

from ecg_client.recordings import Recording
from shared.encoding import plain


@dataclass(frozen=True, slots=True)
class User:
    """A registered user, and the token that opens their ECGs; it is shown this once."""

    username: str
    token: str = field(repr=False)
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RegisteredUser:
    """What the gateway says of a user: when they were registered, and when their token was issued and expires."""

    username: str
    created_at: datetime
    issued_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class UserPage:
    """Users by name; `next` is the name after which the next page begins, if there is one."""

    users: tuple[RegisteredUser, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """What somebody did with somebody's data, and when; `ecg_id` if it is about one ECG."""

    at: datetime
    action: str
    who: str
    username: str
    ecg_id: str | None
    request_id: str | None


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Events, the oldest first, and the cursor of the next page if there may be one."""

    events: tuple[AuditEvent, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class LeadInsights:
    """The insights of one lead: every value under its insight's name."""

    name: str
    values: dict[str, Any]

    @property
    def number_of_zero_crossings(self) -> int:
        """How often the signal crosses the isoelectric line."""
        return int(self.values["number_of_zero_crossings"])


@dataclass(frozen=True, slots=True)
class Insights:
    """The insights of one ECG, its leads in the order submitted."""

    ecg_id: str
    leads: tuple[LeadInsights, ...]


@dataclass(frozen=True, slots=True)
class LeadSummary(LeadInsights):
    """A lead of a listed ECG: its insights, and how many samples it has."""

    number_of_samples: int


@dataclass(frozen=True, slots=True)
class EcgSummary:
    """A processed ECG in the list of its owner; one that failed has an error and no leads."""

    id: str
    date: str | None
    accepted_at: datetime
    status: Literal["done", "failed"]
    error: str | None
    leads: tuple[LeadSummary, ...]
    label: str | None = None


@dataclass(frozen=True, slots=True)
class StoredEcg:
    """An ECG as it was submitted, and when it was accepted first."""

    id: str
    accepted_at: datetime
    recording: Recording


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list, and the cursor of the next one if there is one."""

    ecgs: tuple[EcgSummary, ...]
    next: str | None


class _Head(msgspec.Struct):
    id: str
    accepted_at: datetime


_head = msgspec.json.Decoder(_Head)


def parse_user(document: dict[str, Any]) -> User:
    """Return the user of a gateway's answer."""
    return User(document["username"], document["token"], _time(document.get("expires_at")))


def parse_users(document: dict[str, Any]) -> UserPage:
    """Return the users of a gateway's answer."""
    return UserPage(
        tuple(
            RegisteredUser(
                user["username"],
                datetime.fromisoformat(user["created_at"]),
                datetime.fromisoformat(user["issued_at"]),
                _time(user["expires_at"]),
            )
            for user in document["users"]
        ),
        document["next"],
    )


def parse_audit(document: dict[str, Any]) -> AuditPage:
    """Return the audit's events of a gateway's answer."""
    return AuditPage(
        tuple(
            AuditEvent(
                datetime.fromisoformat(event["at"]),
                event["action"],
                event["who"],
                event["username"],
                event["ecg_id"],
                event["request_id"],
            )
            for event in document["events"]
        ),
        document["next"],
    )


def parse_insights(document: dict[str, Any]) -> Insights:
    """Return the insights of a gateway's answer, or of a row of the insights topic."""
    return Insights(
        document["ecg_id"],
        tuple(
            LeadInsights(lead["name"], {name: value for name, value in lead.items() if name != "name"})
            for lead in document["leads"]
        ),
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def parse_page(document: dict[str, Any]) -> Page:
    """Return the page of a gateway's answer."""
    return Page(tuple(map(_summary, document["ecgs"])), document["next"])


def parse_ecg(answer: bytes) -> StoredEcg:
    """Return the ECG of a gateway's answer; its signals go straight into arrays.

    Raises:
        ValueError, InvalidEcg: if the answer holds none.
    """
    head, content = _head.decode(answer), plain.decode_content(answer)
    recording = Recording(content.leads, content.date, sampling_rate=content.sampling_rate, label=content.label)
    return StoredEcg(head.id, head.accepted_at, recording)


def _summary(document: dict[str, Any]) -> EcgSummary:
    return EcgSummary(
        document["id"],
        document["date"],
        datetime.fromisoformat(document["accepted_at"]),
        document["status"],
        document["error"],
        tuple(
            LeadSummary(
                lead["name"],
                {name: value for name, value in lead.items() if name not in {"name", "number_of_samples"}},
                lead["number_of_samples"],
            )
            for lead in document["leads"]
        ),
        document.get("label"),
    )
