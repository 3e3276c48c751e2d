"""What calls that list have in common: their parameters, and the errors of these."""

from typing import Annotated, Any, Final

from fastapi import Query

from ingest_api.http.openapi import Responses, problem, unavailable
from shared.ecg import MAX_LABEL

Cursor = Annotated[str | None, Query(description="The `next` of the previous page.")]

ERRORS: Final[Responses] = {
    422: problem("A parameter is unknown, or not valid.", "cursor: must be the `next` of a page of yours", "cursor"),
    503: unavailable("The list is being moved to another worker, try again"),
}


def limit(what: str) -> Any:
    """Return the parameter for the most ECGs, or whatever is listed, of a page."""
    return Query(ge=1, le=200, description=f"Maximum number of {what}.")


def label_prefix(what: str) -> Any:
    """Return the parameter for the beginning of labels."""
    return Query(
        min_length=1,
        max_length=MAX_LABEL,
        description=f"Only {what} whose label begins with this prefix. A page may then have fewer {what} than `limit`, "
        "or none, and still a `next`.",
    )
