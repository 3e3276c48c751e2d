"""The main path over HTTP: submit an ECG, and read its insights."""

import asyncio
import itertools
import random

import httpx

from tests.support.ecgs import EXAMPLES, crossings, insights
from tests.support.pipeline import Pipeline


async def test_every_example_of_the_definition_is_counted(pipeline: Pipeline) -> None:
    async with pipeline.client(token=await pipeline.register("examples")) as client:
        leads = [{"name": f"lead {i}", "signal": signal} for i, (signal, _) in enumerate(EXAMPLES)]
        response = await client.post("/ecgs", json={"leads": leads})
        assert response.status_code == 201
        found = await insights(client, response.json()["id"])
    expected = [{"name": f"lead {i}", "number_of_zero_crossings": n} for i, (_, n) in enumerate(EXAMPLES)]
    assert found == expected


async def test_repeated_lead_names_keep_the_order_submitted(pipeline: Pipeline) -> None:
    async with pipeline.client(token=await pipeline.register("rhythm")) as client:
        leads = [{"name": name, "signal": [1, -1] * n} for n, name in enumerate(("II", "V1", "II", "I"), 1)]
        response = await client.post("/ecgs", json={"date": "2026-11-24", "leads": leads})
        found = await insights(client, response.json()["id"])
    assert [(lead["name"], lead["number_of_zero_crossings"]) for lead in found] == [
        ("II", 1),
        ("V1", 3),
        ("II", 5),
        ("I", 7),
    ]


async def test_users_and_ecgs_are_known_to_the_other_gateway_at_once(pipeline: Pipeline) -> None:
    for i in range(20):
        here, there = i % 2, (i + 1) % 2
        token = await pipeline.register(f"replicated-{i}", here)
        async with pipeline.client(here, token) as one, pipeline.client(there, token) as other:
            response = await other.post("/ecgs", json={"leads": [{"name": "I", "signal": [1, -1]}]})
            assert response.status_code == 201, response.text
            assert await insights(one, response.json()["id"]) == [{"name": "I", "number_of_zero_crossings": 1}]


async def test_an_ecg_is_read_by_its_owner_alone(pipeline: Pipeline) -> None:
    owner, stranger = await pipeline.register("owner"), await pipeline.register("stranger")
    async with pipeline.client(token=owner) as client:
        ecg_id = (await client.post("/ecgs", json={"leads": [{"name": "I", "signal": [1]}]})).json()["id"]
        await insights(client, ecg_id)
    async with pipeline.client(token=stranger) as client:
        theirs = await client.get(f"/ecgs/{ecg_id}/insights")
        unknown = await client.get("/ecgs/no-such-ecg/insights")
    assert theirs.status_code == unknown.status_code == 404
    assert theirs.json() == {"detail": f"ECG not found for id {ecg_id}"}
    assert unknown.json() == {"detail": "ECG not found for id no-such-ecg"}
    assert set(theirs.headers) == set(unknown.headers)


async def test_hundreds_of_ecgs_of_sixteen_connections_get_correct_insights(pipeline: Pipeline) -> None:
    numbers = itertools.count()
    wrong: list[str] = []

    async def submit(client: httpx.AsyncClient) -> None:
        for number in numbers:
            if number >= 500:
                return
            rng = random.Random(number)
            signals = [[rng.randint(-3, 3) for _ in range(rng.randint(0, 200))] for _ in range(rng.randint(1, 12))]
            leads = [{"name": f"L{i}", "signal": signal} for i, signal in enumerate(signals)]
            response = await client.post("/ecgs", json={"leads": leads})
            assert response.status_code == 201, response.text
            found = await insights(client, response.json()["id"])
            if [lead["number_of_zero_crossings"] for lead in found] != [crossings(signal) for signal in signals]:
                wrong.append(response.json()["id"])

    token = await pipeline.register("load")
    clients = [pipeline.client(i % 2, token) for i in range(16)]
    await asyncio.gather(*(submit(client) for client in clients))
    for client in clients:
        await client.aclose()
    assert wrong == []
