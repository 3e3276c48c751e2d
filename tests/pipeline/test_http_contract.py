"""The HTTP contract: every status, and every kind of invalid input."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from ingest_api.users import tokens
from tests.support.ecgs import insights
from tests.support.pipeline import ADMIN_TOKEN, Pipeline

ECG = {"leads": [{"name": "I", "signal": [1, -1]}]}
JSON = {"content-type": "application/json"}


@pytest_asyncio.fixture(scope="module")
async def client(pipeline: Pipeline) -> AsyncIterator[httpx.AsyncClient]:
    async with pipeline.client(token=await pipeline.register("contract")) as client:
        yield client


async def test_ping_answers_pong(client: httpx.AsyncClient) -> None:
    response = await client.get("/health/ping")
    assert (response.status_code, response.json()) == (200, "pong")


async def test_ready_answers_when_everything_is_there(client: httpx.AsyncClient) -> None:
    response = await client.get("/health/ready")
    assert (response.status_code, response.json()) == (200, {"status": "ready", "missing": []})


@pytest.mark.parametrize("headers", [{}, {"x-admin-token": "wrong"}, {"x-admin-token": ""}])
async def test_users_are_registered_by_the_admin_alone(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    # The body is malformed, to show that the token is checked before it.
    response = await client.post("/users", content=b"{", headers={**JSON, **headers})
    assert (response.status_code, response.json()) == (401, {"detail": "Invalid admin token"})


async def test_a_new_token_revokes_the_old_one_on_every_gateway(pipeline: Pipeline) -> None:
    old, new = await pipeline.register("rotated", 0), await pipeline.register("rotated", 1)
    assert old != new
    for index in range(2):
        async with pipeline.client(index) as client:
            for token, status in ((new, 201), (old, 401)):
                response = await client.post("/ecgs", json=ECG, headers={"x-user-token": token})
                assert response.status_code == status


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", "body"),
        (b"[]", "body"),
        (b"{}", "username"),
        (b'{"username": 1}', "username"),
        (b'{"username": ""}', "username"),
        (b'{"username": " x"}', "username"),
        (b'{"username": "a\\u0000b"}', "username"),
        (json.dumps({"username": "x" * 129}).encode(), "username"),
    ],
)
async def test_a_username_that_is_not_allowed_is_named(client: httpx.AsyncClient, body: bytes, field: str) -> None:
    response = await client.post("/users", content=body, headers={**JSON, "x-admin-token": ADMIN_TOKEN})
    assert (response.status_code, response.json()["field"]) == (422, field)


async def test_the_admin_token_opens_no_ecg(client: httpx.AsyncClient) -> None:
    for name in ("x-user-token", "x-admin-token"):
        async with httpx.AsyncClient(base_url=client.base_url, headers={name: ADMIN_TOKEN}) as admin:
            assert (await admin.post("/ecgs", json=ECG)).status_code == 401
            assert (await admin.get("/ecgs/some-id/insights")).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [{"x-user-token": token} for token in ("", "ecg_wrong", tokens.new(), "é".encode())],
    ids=["empty", "malformed", "unknown", "no ASCII"],
)
async def test_a_wrong_token_is_refused_before_the_body_is_parsed(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    response = await client.post("/ecgs", content=b"{", headers={**JSON, **headers})
    assert (response.status_code, response.json()) == (401, {"detail": "Invalid user token"})
    response = await client.get("/ecgs/x/insights", headers=headers)
    assert (response.status_code, response.json()) == (401, {"detail": "Invalid user token"})


async def test_a_missing_token_is_refused(pipeline: Pipeline) -> None:
    async with pipeline.client() as client:
        response = await client.post("/ecgs", json=ECG)
    assert (response.status_code, response.json()) == (401, {"detail": "Invalid user token"})
    assert response.headers["www-authenticate"] == "Bearer"


async def test_either_token_may_be_a_bearer_token(pipeline: Pipeline) -> None:
    user = {"authorization": f"Bearer {await pipeline.register('bearer')}"}
    admin = {"authorization": f"bearer {ADMIN_TOKEN}"}
    async with pipeline.client() as client:
        submitted = await client.post("/ecgs", json=ECG, headers=user)
        assert submitted.status_code == 201
        assert (await client.get("/ecgs", headers=user)).status_code == 200
        assert (await client.get(submitted.headers["location"], headers=user)).status_code in (200, 202)
        async with client.stream("GET", "/events", headers=user) as events:
            # The token is checked again before each event.
            assert await anext(events.aiter_lines()) == "retry: 1000"
        assert (await client.get("/users", headers=admin)).status_code == 200
        for headers in (admin, {"authorization": "Basic dXNlcjpwYXNz"}):
            refused = await client.get("/ecgs", headers=headers)
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert (await client.get("/users", headers=user)).status_code == 401


async def test_different_tokens_in_a_request_are_refused(pipeline: Pipeline) -> None:
    mine, other = await pipeline.register("two-tokens"), await pipeline.register("two-tokens-other")
    async with pipeline.client(token=mine) as client:
        for method, path in (("POST", "/ecgs"), ("GET", "/ecgs")):
            same = await client.request(method, path, json=ECG, headers={"authorization": f"Bearer {mine}"})
            assert same.status_code in (200, 201)
            refused = await client.request(method, path, json=ECG, headers={"authorization": f"Bearer {other}"})
            assert refused.status_code == 401
            assert refused.json() == {"detail": "x-user-token and authorization carry different tokens: send one"}
        admin = {"x-admin-token": ADMIN_TOKEN, "authorization": f"Bearer {other}"}
        assert (await client.get("/users", headers=admin)).status_code == 401


async def test_what_was_created_has_a_location(client: httpx.AsyncClient) -> None:
    submitted = await client.post("/ecgs", json=ECG)
    assert submitted.headers["location"] == f"/ecgs/{submitted.json()['id']}"
    assert (await client.get(submitted.headers["location"])).status_code in (200, 202)
    admin = {"x-admin-token": ADMIN_TOKEN}
    registered = await client.post("/users", json={"username": "ward 7/é"}, headers=admin)
    assert registered.headers["location"] == "/users/ward%207%2F%C3%A9"
    assert (await client.delete(registered.headers["location"], headers=admin)).status_code in (202, 204)


@pytest.mark.parametrize(
    ("path", "body", "field", "hint"),
    [
        ("/ecgs", {**ECG, "sampling_frequency": 500}, "sampling_frequency", "did you mean sampling_rate?"),
        ("/ecgs", {**ECG, "patient": "77777777"}, "patient", "known are date, label, leads, sampling_rate"),
        ("/ecgs", {"leads": [{**ECG["leads"][0], "gain": 77777777}]}, "leads[0].gain", "did you mean adc_gain?"),
        ("/users", {"username": "misspelt", "expires": 77777777}, "expires", "did you mean expires_in?"),
        ("/users", {"user": "77777777"}, "user", "did you mean username?"),
        ("/users", {"username": "misspelt", "role": "77777777"}, "role", "known are expires_in, username"),
    ],
)
async def test_an_unknown_field_is_named_with_the_nearest_known_one(
    client: httpx.AsyncClient, path: str, body: dict[str, object], field: str, hint: str
) -> None:
    response = await client.post(path, json=body, headers={"x-admin-token": ADMIN_TOKEN})
    assert (response.status_code, response.json()["field"]) == (422, field)
    assert response.json()["detail"].startswith(f"{field}: is not a field of a ")
    assert response.json()["detail"].endswith(f": {hint}")
    assert "77777777" not in response.text


async def test_an_accepted_ecg_is_being_processed_and_then_has_insights(client: httpx.AsyncClient) -> None:
    response = await client.post("/ecgs", json=ECG)
    assert response.status_code == 201
    assert set(response.json()) == {"id"}
    ecg_id = response.json()["id"]
    first = await client.get(f"/ecgs/{ecg_id}/insights")
    assert first.status_code in (200, 202)
    if first.status_code == 202:
        assert first.json() == {"detail": "Insights are still being processed"}
    await insights(client, ecg_id)
    last = await client.get(f"/ecgs/{ecg_id}/insights")
    assert last.json() == {"ecg_id": ecg_id, "leads": [{"name": "I", "number_of_zero_crossings": 1}]}


@pytest.mark.parametrize("ecg_id", ["unknown", "00000000-0000-8000-8000-000000000000", "%00", "a%20b", "x" * 200])
async def test_an_unknown_id_is_not_found(client: httpx.AsyncClient, ecg_id: str) -> None:
    response = await client.get(f"/ecgs/{ecg_id}/insights")
    assert response.status_code == 404
    assert response.json()["detail"].startswith("ECG not found for id ")


@pytest.mark.parametrize("announced", [True, False], ids=["with its length", "in chunks"])
async def test_a_body_over_the_limit_is_too_large(client: httpx.AsyncClient, announced: bool) -> None:
    size = 16 * 1024 * 1024 + 1

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(0, size, 1 << 20):
            yield b" " * (1 << 20)
        yield b" "

    try:
        response = await client.post("/ecgs", content=b" " * size if announced else chunks(), headers=JSON)
    except (httpx.WriteError, httpx.ReadError):
        # The gateway may close the connection of a client that is still sending after the answer.
        pytest.skip("the client saw the hang-up before the answer")
    assert response.status_code == 413
    assert "16777216" in response.json()["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {**JSON, "content-encoding": "gzip"},
    ],
)
async def test_another_media_type_is_refused(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    response = await client.post("/ecgs", content=json.dumps(ECG), headers=headers)
    assert response.status_code == 415


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
async def test_other_spellings_of_the_json_media_type_are_accepted(
    client: httpx.AsyncClient, content_type: str
) -> None:
    response = await client.post("/ecgs", content=json.dumps(ECG), headers={"content-type": content_type})
    assert response.status_code == 201


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("", "body"),
        ("{", "body"),
        ("[]", "body"),
        ("{}", "leads"),
        ('{"leads": []}', "leads"),
        ('{"leads": {}}', "leads"),
        ('{"leads": [1]}', "leads[0]"),
        ('{"leads": [{"signal": []}]}', "leads[0].name"),
        ('{"leads": [{"name": "", "signal": []}]}', "leads[0].name"),
        ('{"leads": [{"name": "I"}]}', "leads[0].signal"),
        ('{"leads": [{"name": "I", "signal": [1]}, {"name": "II", "signal": [77777777, 1.5]}]}', "leads[1].signal"),
        ('{"leads": [{"name": "I", "signal": [true]}]}', "leads[0].signal"),
        ('{"leads": [{"name": "I", "signal": ["77777777"]}]}', "leads[0].signal"),
        ('{"leads": [{"name": "I", "signal": [[77777777]]}]}', "leads[0].signal"),
        ('{"leads": [{"name": "I", "signal": [77777777, 9223372036854775808]}]}', "leads[0].signal"),
        ('{"leads": [{"name": "I", "signal": [77777777, 99999999999999999999]}]}', "leads[0].signal"),
        ('{"leads": [{"name": "I", "signal": [-9223372036854775809]}]}', "leads[0].signal"),
        ('{"leads": [{"name": "I", "signal": [NaN]}]}', "body"),
        ('{"leads": [{"name": "I", "signal": [77777777], "number_of_samples": 2}]}', "leads[0].number_of_samples"),
        ('{"date": "yesterday", "leads": [{"name": "I", "signal": []}]}', "date"),
        ('{"sampling_rate": 0, "leads": [{"name": "I", "signal": [77777777]}]}', "sampling_rate"),
        ('{"leads": [{"name": "I", "signal": [77777777], "adc_gain": "200"}]}', "leads[0].adc_gain"),
    ],
)
async def test_bad_input_is_named_and_never_echoed(client: httpx.AsyncClient, body: str, field: str) -> None:
    response = await client.post("/ecgs", content=body, headers=JSON)
    assert response.status_code == 422
    assert response.json()["field"] == field
    assert response.json()["detail"].startswith(f"{field}: ")
    assert "77777777" not in response.text


async def test_a_signal_of_one_huge_sample_among_a_million_is_accepted(client: httpx.AsyncClient) -> None:
    """Packed, it is four times as large as its JSON: it must still fit into a message."""
    signal = [0] * 3_000_000 + [2**63 - 1]
    response = await client.post(
        "/ecgs", content=json.dumps({"leads": [{"name": "I", "signal": signal}]}), headers=JSON
    )
    assert response.status_code == 201, response.text
    assert await insights(client, response.json()["id"]) == [{"name": "I", "number_of_zero_crossings": 0}]


async def test_the_documentation_describes_every_answer(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    statuses = {
        f"{method.upper()} {path}": set(operation["responses"])
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert statuses["POST /users"] == {"201", "401", "413", "415", "422", "429", "503"}
    assert statuses["GET /users"] == {"200", "401", "422", "429", "503"}
    assert statuses["DELETE /users/{username}"] == {"202", "204", "401", "404", "429", "503"}
    assert statuses["POST /ecgs"] == {"201", "401", "413", "415", "422", "429", "503"}
    assert statuses["GET /ecgs/{ecg_id}/insights"] == {"200", "202", "401", "404", "422", "429", "503"}
    assert statuses["GET /ecgs"] == {"200", "401", "422", "429", "503"}
    assert statuses["GET /ecgs/{ecg_id}"] == {"200", "202", "401", "404", "406", "410", "422", "429", "503"}
    assert statuses["GET /events"] == {"200", "401", "422", "429", "503"}
    body = document["paths"]["/ecgs"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["examples"]
    assert "LeadIn" in document["components"]["schemas"]
    assert (await client.get("/docs")).status_code == 200


async def test_a_path_with_a_trailing_slash_is_not_redirected(client: httpx.AsyncClient) -> None:
    """Behind a proxy that terminates TLS, a redirect would lead to plain HTTP, with the token and the ECG."""
    for method, path in (("POST", "/ecgs/"), ("GET", "/ecgs/"), ("GET", "/health/ping/"), ("GET", "/page")):
        response = await client.request(method, path, json=ECG)
        assert response.status_code == 404
        assert "location" not in response.headers


async def test_a_method_that_is_not_allowed_gets_the_list_of_allowed_ones(client: httpx.AsyncClient) -> None:
    for path, allowed in {
        "/ecgs": "GET, POST",
        "/ecgs/x": "DELETE, GET",
        "/ecgs/x/insights": "GET",
        "/users": "GET, POST",
        "/users/x": "DELETE",
        "/": "GET, HEAD",
        "/docs": "GET, HEAD",
        "/page/main.js": "GET, HEAD",
    }.items():
        response = await client.put(path)
        assert (response.status_code, response.json()) == (405, {"detail": "Method Not Allowed"})
        assert response.headers["allow"] == allowed


async def test_concurrent_first_uses_of_a_token_are_all_accepted(pipeline: Pipeline) -> None:
    token = await pipeline.register("stampede", 0)
    async with pipeline.client(1, token) as client:
        responses = await asyncio.gather(*(client.post("/ecgs", json=ECG) for _ in range(20)))
    assert {response.status_code for response in responses} == {201}
