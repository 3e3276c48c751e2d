"""A gateway behind a reverse proxy that serves it under a path, whether or not the proxy removes the path."""

import pytest

from tests.support.pipeline import NewPipeline


@pytest.mark.parametrize("removed", [True, False], ids=["removed by the proxy", "kept by the proxy"])
async def test_a_client_follows_locations_under_a_prefix(new_pipeline: NewPipeline, removed: bool) -> None:
    pipeline = new_pipeline(ECG_HTTP_PATH_PREFIX="/cardio")
    pipeline.start_gateway()
    pipeline.start_worker()
    await pipeline.ready()
    token = await pipeline.register("prefixed")
    async with pipeline.client(token=token) as client:

        def sent(path: str) -> str:
            return path.removeprefix("/cardio") if removed else path

        submitted = await client.post(sent("/cardio/ecgs"), json={"leads": [{"name": "I", "signal": [1, -1]}]})
        location = submitted.headers["location"]
        assert location == f"/cardio/ecgs/{submitted.json()['id']}"
        insights = await client.get(sent(f"{location}/insights"), headers={"prefer": "wait=20"})
        assert insights.json()["leads"] == [{"name": "I", "number_of_zero_crossings": 1}]
        assert (await client.get(sent(location))).status_code == 200
