"""Refuses unknown parameters: if a misspelt one were ignored, the answer could contain more than was asked for."""

from fastapi import Request
from fastapi.routing import APIRoute

from ingest_api.http.errors import Unprocessable
from shared.errors import hint, place_of


def check_parameters(request: Request) -> None:
    """Check that the query of a request has only parameters of its call.

    Calls without parameters ignore the query: nothing can be misspelt there, and common clients of server-sent events
    add a parameter of their own when they resume.

    Raises:
        Unprocessable: if the query has an unknown parameter; the error suggests the nearest one of the call.
    """
    route = request.scope["route"]
    assert isinstance(route, APIRoute)  # noqa: S101 - no other route has dependencies
    known = [parameter.alias for parameter in route.dependant.query_params]
    unknown = next((name for name in request.query_params if name not in known), None)
    if known and unknown is not None:
        field = place_of("body", unknown)
        raise Unprocessable(f"{field}: is not a parameter of this call: {hint(unknown, known)}", field=field)
