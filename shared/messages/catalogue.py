"""The insights that this version of the pipeline knows: their fields with titles and units, and their schemas.

The worker's registry declares them. `make contracts` writes the declarations to `catalogue.json`, so that gateways and
clients need neither the worker's code nor its libraries.
"""

from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

FILE = Path(__file__).with_suffix(".json")
NO_DIAGNOSIS = "Measurements for people who can judge them, not a diagnosis."
EVERY: Final = "all"

Schema = dict[str, Any]


class Field(msgspec.Struct, frozen=True, omit_defaults=True):
    """A field of an insight's result, or the result itself if it is a number.

    `unit` is a UCUM unit, "1" for a number without one, and None for what is no number. `loinc` is the code of the
    measurement, `spread_of` the field whose uncertainty this is.
    """

    name: str
    title: str
    description: str
    unit: str | None = None
    loinc: str | None = None
    spread_of: str | None = None


class InsightType(msgspec.Struct, frozen=True):
    """An insight of the catalogue. `needs` are phrases that complete "needs ...", `summary` names fields."""

    name: str
    version: int
    scope: Literal["lead", "ecg"]
    title: str
    description: str
    needs: list[str]
    needs_sampling_rate: bool
    fields: list[Field]
    schema: Schema
    summary: list[str]

    def field(self, name: str) -> Field | None:
        """Return a field by its name, or None if the catalogue does not know it."""
        return next((field for field in self.fields if field.name == name), None)


class Catalogue(msgspec.Struct, frozen=True):
    """All insights in the order of answers, the schemas that they refer to by name, and the summary's properties."""

    insights: list[InsightType]
    schemas: dict[str, Schema]
    summary: dict[str, Schema]

    def of_scope(self, scope: str) -> list[InsightType]:
        """Return the insights of one scope."""
        return [insight for insight in self.insights if insight.scope == scope]


_decoder = msgspec.json.Decoder(Catalogue)


@cache
def catalogue() -> Catalogue:
    """Return the catalogue of this version."""
    return _decoder.decode(FILE.read_bytes())


def chosen(names: str, known: Collection[str]) -> list[str]:
    """Return the known names that a list, separated by commas, has, or all of them for `all`, in their order.

    Raises:
        ValueError: if a name is not known.
    """
    if names.strip() == EVERY:
        return list(known)
    wanted = {name.strip() for name in names.split(",")} - {""}
    if unknown := wanted.difference(known):
        raise ValueError(f"{min(unknown)!r} is not an insight: choose from {', '.join(known)}, or {EVERY!r}")
    return [name for name in known if name in wanted]
