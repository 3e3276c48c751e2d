"""The wire format of an erasure."""

from typing import Final

from ingest_api.http.openapi import problem

UNDER_WAY_DETAIL: Final = "The erasure is certain, and under way"
UNDER_WAY: Final = problem("The erasure is certain, but no worker has carried it out yet.", UNDER_WAY_DETAIL)
