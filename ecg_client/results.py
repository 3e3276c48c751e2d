"""The types that calls return, and their parsers."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import msgspec

from ecg_client.recordings import Recording
from shared.ecg import Content
from shared.encoding import packed, plain


@dataclass(frozen=True, slots=True)
class User:
    """A user who was just registered, and the token that opens their ECGs: it is shown only this once."""

    username: str
    token: str = field(repr=False)
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RegisteredUser:
    """A registered user: the times of the registration, and of the issue and the expiry of the token."""

    username: str
    created_at: datetime
    issued_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class UserPage:
    """A page of users in the order of their names; the next one, if any, begins after the name `next`."""

    users: tuple[RegisteredUser, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """An event of the audit: `who` did `action` to the data of `username`, or to one ECG of theirs, `ecg_id`."""

    at: datetime
    action: str
    who: str
    username: str
    ecg_id: str | None
    request_id: str | None


@dataclass(frozen=True, slots=True)
class AuditPage:
    """A page of events, the oldest first, and the cursor of the next page, if more may follow."""

    events: tuple[AuditEvent, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class LeadInsights:
    """The insights of one lead, by their names."""

    name: str
    values: dict[str, Any]

    @property
    def number_of_zero_crossings(self) -> int:
        """How many times the signal crosses the isoelectric line.

        Raises:
            KeyError: if the pipeline does not compute it.
        """
        return int(self.values["number_of_zero_crossings"])


@dataclass(frozen=True, slots=True)
class Insights:
    """The insights of one ECG, its leads in the order in which they were submitted.

    `ecg` holds the insights of the whole ECG by their names, such as `ecg["rhythm"]["heart_rate_bpm"]`; a measurement
    that the ECG does not allow is missing, and its reason is in `ecg["rhythm"]["absent"]`. `not_computed` holds the
    reason for each insight that is missing altogether, `versions` the version of each insight. `sampling_rate` is the
    rate in Hz to which positions of beats refer. An ECG without a sampling rate has only its leads.
    """

    ecg_id: str
    leads: tuple[LeadInsights, ...]
    ecg: dict[str, dict[str, Any]] = field(default_factory=dict)
    not_computed: dict[str, str] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    sampling_rate: float | None = None


@dataclass(frozen=True, slots=True)
class LeadSummary(LeadInsights):
    """A lead of a listed ECG: its insights and its number of samples."""

    number_of_samples: int


@dataclass(frozen=True, slots=True)
class EcgSummary:
    """A processed ECG in its owner's list; one that failed has an error and no leads.

    `summary` holds its main measurements, such as `heart_rate_bpm`.
    """

    id: str
    date: str | None
    accepted_at: datetime
    status: Literal["done", "failed"]
    error: str | None
    leads: tuple[LeadSummary, ...]
    label: str | None = None
    summary: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredEcg:
    """An ECG as it was submitted, and the time at which it was first accepted."""

    id: str
    accepted_at: datetime
    recording: Recording


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the list of ECGs, and the cursor of the next page, if there is one."""

    ecgs: tuple[EcgSummary, ...]
    next: str | None


class _Head(msgspec.Struct):
    id: str
    accepted_at: datetime


_head = msgspec.json.Decoder(_Head)
_packed_head = msgspec.msgpack.Decoder(_Head)


def parse_user(document: dict[str, Any]) -> User:
    """Parse the answer to a registration."""
    return User(document["username"], document["token"], _time(document.get("expires_at")))


def parse_users(document: dict[str, Any]) -> UserPage:
    """Parse a page of users."""
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
    """Parse a page of the audit."""
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
    """Parse the insights of an ECG, from a gateway's answer or from a row of the insights topic."""
    return Insights(
        document["ecg_id"],
        tuple(
            LeadInsights(lead["name"], {name: value for name, value in lead.items() if name != "name"})
            for lead in document["leads"]
        ),
        document.get("ecg", {}),
        document.get("not_computed", {}),
        document.get("versions", {}),
        document.get("sampling_rate"),
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def parse_page(document: dict[str, Any]) -> Page:
    """Parse a page of the list of ECGs."""
    return Page(tuple(map(_summary, document["ecgs"])), document["next"])


def parse_ecg(answer: bytes) -> StoredEcg:
    """Parse an ECG; its signals go straight into arrays.

    Raises:
        ValueError, InvalidEcg: if the answer does not hold an ECG.
    """
    return _stored_ecg(_head.decode(answer), plain.decode_content(answer))


def parse_packed_ecg(answer: bytes) -> StoredEcg:
    """Parse an ECG in the packed encoding.

    Raises:
        ValueError, InvalidEcg: if the answer does not hold an ECG.
    """
    content = packed.decode_content(answer)
    # Copied, because views of the answer are read-only, and hold all of it in memory.
    leads = tuple(msgspec.structs.replace(lead, signal=lead.signal.copy()) for lead in content.leads)
    return _stored_ecg(_packed_head.decode(answer), msgspec.structs.replace(content, leads=leads))


def _stored_ecg(head: _Head, content: Content) -> StoredEcg:
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
        document.get("summary", {}),
    )
