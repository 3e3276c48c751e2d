"""What calls return."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class User:
    """A registered user, and the token that opens their ECGs; it is shown this once."""

    username: str
    token: str = field(repr=False)


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


def parse_insights(document: dict[str, Any]) -> Insights:
    """Return the insights of a gateway's answer, or of a row of the insights topic."""
    return Insights(
        document["ecg_id"],
        tuple(
            LeadInsights(lead["name"], {name: value for name, value in lead.items() if name != "name"})
            for lead in document["leads"]
        ),
    )
