"""Unknown parameters in the query of a call."""

import pytest

from tests.support.pipeline import ADMIN_TOKEN, Pipeline

LONG = "x" * 100


@pytest.mark.parametrize(
    ("path", "misspelt", "hint"),
    [
        ("/ecgs", "limt", "did you mean limit?"),
        ("/ecgs", "Label", "did you mean label?"),
        ("/ecgs", "page", "known are cursor, label, limit"),
        ("/users", "aftr", "did you mean after?"),
        ("/audit", "user_name", "did you mean username?"),
        ("/audit", LONG, "known are cursor, ecg_id, limit, since, until, username"),
    ],
)
async def test_an_unknown_parameter_is_refused_with_the_nearest_one(
    pipeline: Pipeline, path: str, misspelt: str, hint: str
) -> None:
    token = await pipeline.register("misspelling")
    async with pipeline.client(token=token) as client:
        headers = {"x-admin-token": ADMIN_TOKEN}
        refused = await client.get(path, params={"limit": 1, misspelt: "5"}, headers=headers)
        stranger = await client.get(
            path, params={misspelt: "5"}, headers={"x-user-token": "none", "x-admin-token": "none"}
        )
    field = misspelt[:64]
    assert refused.status_code == 422
    assert refused.json() == {"detail": f"{field}: is not a parameter of this call: {hint}", "field": field}
    assert stranger.status_code == 401


async def test_a_call_without_parameters_ignores_them(pipeline: Pipeline) -> None:
    async with pipeline.client(token=await pipeline.register("resuming")) as client:
        async with client.stream("GET", "/events", params={"lastEventId": "1"}) as events:
            assert events.status_code == 200
        submitted = await client.post("/ecgs", params={"x": "1"}, json={"leads": [{"name": "I", "signal": [1]}]})
        assert submitted.status_code == 201
