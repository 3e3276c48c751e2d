"""The parameters of a query: a misspelt one would be ignored, and the answer hold more than what was asked for."""

from fastapi import Request
from fastapi.routing import APIRoute

from ingest_api.http.errors import Unprocessable
from shared.errors import hint, place_of


def check_parameters(request: Request) -> None:
    """Check that a call with parameters has all those of its query.

    A call without parameters ignores them: nothing can be misspelt there, and common clients of server-sent events add
    one of their own when they resume.

    Raises:
        Unprocessable: if the query has another one; it names the nearest that the call has.
    """
    route = request.scope["route"]
    assert isinstance(route, APIRoute)  # noqa: S101 - no other route has dependencies
    known = [parameter.alias for parameter in route.dependant.query_params]
    unknown = next((name for name in request.query_params if name not in known), None)
    if known and unknown is not None:
        field = place_of("body", unknown)
        raise Unprocessable(f"{field}: is not a parameter of this call: {hint(unknown, known)}", field=field)
