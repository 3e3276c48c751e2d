"""The registry of insights. To add one, write its module and list it here: see docs/adding-an-insight.md."""

from collections.abc import Mapping
from typing import Final

from shared.messages.catalogue import chosen
from stream_agents.insights import intervals, lead_checks, quality, rhythm, zero_crossings
from stream_agents.insights.contract import Insight

# The other fields of a lead in answers.
_TAKEN = frozenset({"name", "number_of_samples"})


def registry(*insights: Insight) -> Mapping[str, Insight]:
    """Return insights by their names, in the order of their fields in answers.

    Raises:
        ValueError: if two insights have the same name, or if a lead has another field of that name.
    """
    found: dict[str, Insight] = {}
    for insight in insights:
        if insight.name in found or (insight.scope == "lead" and insight.name in _TAKEN):
            raise ValueError(f"there is a field {insight.name!r} already")
        found[insight.name] = insight
    return found


INSIGHTS: Final = registry(
    zero_crossings.INSIGHT,
    quality.INSIGHT,
    rhythm.INSIGHT,
    intervals.INSIGHT,
    lead_checks.INSIGHT,
)


def selected(names: str) -> tuple[Insight, ...]:
    """Return the insights of a list of names, separated by commas, or all of them for `all`.

    Raises:
        ValueError: if a name is not that of an insight.
    """
    return tuple(INSIGHTS[name] for name in chosen(names, INSIGHTS))
