"""The gateway behind a proxy's path prefix, and called by pages of other origins; in process, without Kafka."""

import asyncio
import re
from typing import Any

import httpx
import pytest
from starlette.responses import RedirectResponse

from ingest_api.app import create_app, with_layers
from ingest_api.http.path_prefix import PathPrefix
from ingest_api.http.services import GatewayServices
from shared.settings import Settings

VIEWER = "https://viewer.example"
ASKED = {"origin": VIEWER, "access-control-request-method": "POST"}


def client(**given: Any) -> httpx.AsyncClient:
    settings = Settings.model_validate({"secret": "s" * 32, "embedded_broker": True, "admin_token": "admin", **given})
    app = create_app(settings)
    app.state.services = GatewayServices(stopping=asyncio.Event())
    return httpx.AsyncClient(transport=httpx.ASGITransport(with_layers(app, settings)), base_url="http://gateway")


def links(html: str) -> list[str]:
    return re.findall(r'(?:href|src)="([^"]+)"', html)


@pytest.mark.parametrize("removed", [True, False], ids=["removed by the proxy", "kept by the proxy"])
@pytest.mark.parametrize("page", ["", "/", "/docs"])
async def test_the_links_of_both_pages_work_under_a_prefix(page: str, removed: bool) -> None:
    def sent(path: str) -> str:
        return path.removeprefix("/cardio") or "/" if removed else path

    async with client(http_path_prefix="/cardio") as gateway:
        answer = await gateway.get(sent(f"/cardio{page}"))
        assert answer.status_code == 200
        assert len(links(answer.text)) >= 3
        for link in links(answer.text):
            assert link.startswith("/cardio/")
            assert (await gateway.get(sent(link))).status_code == 200
        assert (await gateway.get(sent("/cardio/health/ping"))).json() == "pong"
        assert (await gateway.get("/cardiology/health/ping")).status_code == 404


async def test_without_a_prefix_the_links_begin_at_the_root() -> None:
    async with client() as gateway:
        html = (await gateway.get("/")).text
        assert "/page/main.js" in links(html)
        assert (await gateway.get("/cardio/health/ping")).status_code == 404
        assert "servers" not in (await gateway.get("/openapi.json")).json()


async def test_the_openapi_document_names_the_prefix() -> None:
    async with client(http_path_prefix="/clinic/cardio") as gateway:
        document = (await gateway.get("/clinic/cardio/openapi.json")).json()
    assert document["servers"] == [{"url": "/clinic/cardio"}]


async def test_a_location_begins_with_the_prefix() -> None:
    for target, expected in (("/ecgs/1", "/cardio/ecgs/1"), ("https://other.example/", "https://other.example/")):
        app = PathPrefix(RedirectResponse(target), "/cardio")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as gateway:
            assert (await gateway.get("/")).headers["location"] == expected


@pytest.mark.parametrize("prefix", ["/ecgs", "/users/cardio", "/page", "/docs", "/openapi.json", "/health"])
def test_a_prefix_that_is_a_path_of_the_gateway_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="ECG_HTTP_PATH_PREFIX must not begin with"):
        client(http_path_prefix=prefix)


async def test_a_page_is_sent_again_only_if_it_has_changed() -> None:
    async with client() as gateway:
        first = await gateway.get("/")
        known = {"if-none-match": first.headers["etag"]}
        again = await gateway.get("/", headers=known)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        assert (await gateway.get("/docs", headers=known)).status_code == 200


async def test_by_default_no_other_origin_may_call() -> None:
    async with client() as gateway:
        preflight = await gateway.options("/ecgs", headers=ASKED)
        assert preflight.status_code == 405
        for answer in (preflight, await gateway.get("/health/ping", headers={"origin": VIEWER})):
            assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    ("method", "header"),
    [
        *(("POST", name) for name in ("Authorization", "x-user-token", "Idempotency-Key", "content-type")),
        *(("GET", name) for name in ("prefer", "last-event-id", "x-request-id")),
        *(("DELETE", name) for name in ("x-user-token", "x-admin-token")),
    ],
)
async def test_a_listed_origin_may_send_what_clients_need(method: str, header: str) -> None:
    asked = {"origin": VIEWER, "access-control-request-method": method, "access-control-request-headers": header}
    async with client(cors_origins=f"http://localhost:3000, {VIEWER}") as gateway:
        preflight = await gateway.options("/ecgs", headers=asked)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == VIEWER
    assert method in preflight.headers["access-control-allow-methods"]
    assert header.lower() in preflight.headers["access-control-allow-headers"].lower()
    assert "access-control-allow-credentials" not in preflight.headers


async def test_a_listed_origin_may_read_answers_and_errors() -> None:
    async with client(cors_origins=VIEWER) as gateway:
        # The last one fails, because the services of users are not running here.
        for method, path, status in (("GET", "/health/ping", 200), ("GET", "/none", 404), ("POST", "/ecgs", 500)):
            answer = await gateway.request(method, path, headers={"origin": VIEWER})
            assert answer.status_code == status
            assert answer.headers["access-control-allow-origin"] == VIEWER
            exposed = answer.headers["access-control-expose-headers"].split(", ")
            assert {"location", "retry-after", "x-request-id"} <= set(exposed)


async def test_another_origin_may_neither_send_nor_read() -> None:
    async with client(cors_origins=VIEWER) as gateway:
        for origin in ("https://evil.example", "http://viewer.example", "https://viewer.example.evil.example", "null"):
            preflight = await gateway.options("/ecgs", headers={**ASKED, "origin": origin})
            assert preflight.status_code == 400
            answer = await gateway.get("/health/ping", headers={"origin": origin})
            assert "access-control-allow-origin" not in preflight.headers
            assert "access-control-allow-origin" not in answer.headers


async def test_a_page_of_another_origin_calls_a_gateway_under_a_prefix() -> None:
    async with client(cors_origins=VIEWER, http_path_prefix="/cardio") as gateway:
        preflight = await gateway.options("/cardio/ecgs", headers=ASKED)
    assert preflight.headers["access-control-allow-origin"] == VIEWER
