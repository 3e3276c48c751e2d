"""The parameters of calls that return a list in pages, and their errors."""

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
    """Return the parameter for the size of a page; `what` is the plural of the listed things."""
    return Query(ge=1, le=200, description=f"Maximum number of {what}.")


def label_prefix(what: str) -> Any:
    """Return the parameter that selects by the beginning of labels; `what` is the plural of the listed things."""
    return Query(
        min_length=1,
        max_length=MAX_LABEL,
        description=f"Only {what} whose label begins with this prefix. A page may then have fewer {what} than `limit`, "
        "or none, and still a `next`.",
    )
