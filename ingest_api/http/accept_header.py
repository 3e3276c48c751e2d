"""The `Accept` header (RFC 9110): the media type that a client prefers to plain JSON."""

import re
from collections.abc import Iterable

from shared.encoding import plain

FHIR = "application/fhir+json"
_LONGEST_HEADER = 4096
_WEIGHT = re.compile(r"q\s*=\s*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")


def preferred(headers: Iterable[str], *others: str) -> str | None:
    """Return which of `others` the header names with the highest weight; None if that of plain JSON is higher.

    Wildcards mean plain JSON.
    """
    header = ",".join(headers)
    if len(header) > _LONGEST_HEADER or not any(other in header.lower() for other in others):
        return None
    weights = dict(map(_range, header.split(",")))
    best = max(others, key=lambda other: weights.get(other, 0.0))
    weight = weights.get(best, 0.0)
    return best if weight > 0 and weight >= weights.get(plain.CONTENT_TYPE, 0.0) else None


def _range(text: str) -> tuple[str, float]:
    """Return a media type without its parameters, and its weight; a malformed weight is 0."""
    media_type, *parameters = (part.strip().lower() for part in text.split(";"))
    weights = [parameter for parameter in parameters if parameter.startswith("q")]
    if not weights:
        return media_type, 1.0
    matched = _WEIGHT.fullmatch(weights[-1])
    return media_type, float(matched[1]) if matched else 0.0
