"""What goes over the wire for an erasure."""

from typing import Final

from ingest_api.http.openapi import problem

UNDER_WAY_DETAIL: Final = "The erasure is certain, and under way"
UNDER_WAY: Final = problem("No worker has carried it out yet; it is certain to be.", UNDER_WAY_DETAIL)
