"""The page at `/` and the documentation at `/docs`: static files of the gateway, with headers that isolate them."""

import os
from hashlib import sha256
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

_DIRECTORY = Path(__file__).parents[1] / "page"
_HEADERS = {
    # No inline code or styles, nothing from other origins, no HTML made from text, no frame in another page.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # Browsers revalidate every file each time, so that no page mixes files of two versions.
    "cache-control": "no-cache",
}


class _Page(StaticFiles):
    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """Return a file, or 304 if the browser's copy is up to date."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(_HEADERS)
        return response


def add_page(app: FastAPI, prefix: str) -> None:
    """Serve the page at `/`, the documentation at `/docs`, and the files of both under `/page`; none needs a token.

    The links of both pages lead to paths under `prefix`. Relative ones would lead elsewhere from `/cardio` than from
    `/cardio/`, and a proxy that removes the prefix may serve both.
    """
    page = _Page(directory=_DIRECTORY)
    app.mount("/page", page, name="page")

    def add(path: str, name: str) -> None:
        content = (_DIRECTORY / name).read_text().replace('="/', f'="{prefix}/').encode()
        tag = f'"{sha256(content).hexdigest()[:32]}"'

        async def answer(request: Request) -> Response:
            response: Response = HTMLResponse(content, headers={"etag": tag})
            if page.is_not_modified(response.headers, request.headers):
                response = NotModifiedResponse(response.headers)
            response.headers.update(_HEADERS)
            return response

        app.add_api_route(path, answer, methods=["GET", "HEAD"], include_in_schema=False)

    add("/", "index.html")
    add("/docs", "docs.html")
