"""The wire format of an erasure."""

from typing import Final

from ingest_api.http.openapi import problem

UNDER_WAY_DETAIL: Final = "The erasure is durable, and will be carried out"
UNDER_WAY: Final = problem("The erasure is durable, but no worker has carried it out yet.", UNDER_WAY_DETAIL)
