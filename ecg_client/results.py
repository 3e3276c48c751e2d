"""What calls return."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


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
