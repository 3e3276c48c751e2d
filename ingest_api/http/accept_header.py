"""The `Accept` header (RFC 9110): whether a client prefers FHIR to plain JSON."""

import re
from collections.abc import Iterable

FHIR = "application/fhir+json"
_JSON = "application/json"
_LONGEST_HEADER = 4096
_WEIGHT = re.compile(r"q\s*=\s*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")


def prefers_fhir(headers: Iterable[str]) -> bool:
    """Return True if the header names FHIR, and plain JSON with no higher weight; wildcards mean plain JSON."""
    header = ",".join(headers)
    if FHIR not in header.lower() or len(header) > _LONGEST_HEADER:
        return False
    weights = dict(map(_range, header.split(",")))
    return weights[FHIR] > 0 and weights[FHIR] >= weights.get(_JSON, 0.0) if FHIR in weights else False


def _range(text: str) -> tuple[str, float]:
    """Return a media type without its parameters, and its weight; a malformed weight is 0."""
    media_type, *parameters = (part.strip().lower() for part in text.split(";"))
    weights = [parameter for parameter in parameters if parameter.startswith("q")]
    if not weights:
        return media_type, 1.0
    matched = _WEIGHT.fullmatch(weights[-1])
    return media_type, float(matched[1]) if matched else 0.0
