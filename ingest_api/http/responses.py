"""JSON responses."""

from typing import Any

import orjson
from starlette.responses import JSONResponse

from ingest_api.http.accept_header import FHIR


class JsonResponse(JSONResponse):
    """JSON written by orjson."""

    def render(self, content: Any) -> bytes:
        """Encode the content, whose signals may be NumPy arrays."""
        return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)


class FhirResponse(JsonResponse):
    """A FHIR resource as JSON."""

    media_type = FHIR
