"""Insights of an ECG with a sampling rate over HTTP: the whole answer, its summary in lists and events, and FHIR."""

from typing import Any

import httpx
import pytest
from fhir.resources.R4B.observation import Observation

from tests.support.ecgs import insights
from tests.support.events import stream
from tests.support.heartbeats import NAMES, digitised, regular, signals
from tests.support.pipeline import Pipeline

FHIR = {"accept": "application/fhir+json"}
ROWS = digitised(signals(regular(0.8, 10), 500, 10))
LEADS = [{"name": n, "adc_gain": 1000, "signal": row.tolist()} for n, row in zip(NAMES, ROWS, strict=True)]


async def submit(client: httpx.AsyncClient, **fields: Any) -> str:
    response = await client.post("/ecgs", json={"leads": LEADS, **fields})
    ecg_id = str(response.json()["id"])
    await insights(client, ecg_id)
    return ecg_id


async def test_an_answer_has_everything_and_lists_and_events_a_summary(pipeline: Pipeline) -> None:
    async with pipeline.client(token=await pipeline.register("measured")) as client, stream(client) as events:
        ecg_id = await submit(client, sampling_rate=500)
        answer = (await client.get(f"/ecgs/{ecg_id}/insights")).json()
        assert answer.keys() == {"ecg_id", "leads", "sampling_rate", "ecg", "versions"}
        assert answer["ecg"]["rhythm"]["heart_rate_bpm"] == pytest.approx(75, abs=1)
        assert len(answer["ecg"]["rhythm"]["beats"]) == answer["ecg"]["rhythm"]["number_of_beats"] == 11
        assert answer["ecg"]["lead_checks"]["limb_leads_add_up"] is True
        assert all(lead["quality"]["usable"] for lead in answer["leads"])
        summary = {
            "usable_leads": 12,
            "heart_rate_bpm": answer["ecg"]["rhythm"]["heart_rate_bpm"],
            "qrs_ms": answer["ecg"]["intervals"]["qrs_ms"],
            "qtc_fridericia_ms": answer["ecg"]["intervals"]["qtc_fridericia_ms"],
        }
        [listed] = (await client.get("/ecgs")).json()["ecgs"]
        assert listed["summary"] == summary
        assert all(lead.keys() == {"name", "number_of_samples", "number_of_zero_crossings"} for lead in listed["leads"])
        await events.read_until([ecg_id])
        [(kind, event)] = events.events
        assert (kind, event["summary"]) == ("insights", summary)
        assert all(lead.keys() == {"name", "number_of_zero_crossings"} for lead in event["leads"])


async def test_insights_and_signals_are_given_as_fhir(pipeline: Pipeline) -> None:
    async with pipeline.client(token=await pipeline.register("fhir")) as client:
        ecg_id = await submit(client, sampling_rate=500, date="2026-11-24T10:00:00Z")
        measured = await client.get(f"/ecgs/{ecg_id}/insights", headers=FHIR)
        signals = await client.get(f"/ecgs/{ecg_id}", headers=FHIR)
        for response in (measured, signals):
            assert response.headers["content-type"] == "application/fhir+json"
            Observation.model_validate_json(response.content)
            assert response.json()["effectiveDateTime"] == "2026-11-24T10:00:00+00:00"
        assert measured.json()["component"][0]["valueQuantity"]["value"] == pytest.approx(75, abs=1)
        leads = signals.json()["component"]
        assert leads[0]["valueSampledData"]["data"].split() == [str(sample) for sample in ROWS[0].tolist()]
        assert [lead["code"]["text"] for lead in leads] == [f"Lead {name}" for name in NAMES]
        bare = await submit(client)
        refused = await client.get(f"/ecgs/{bare}", headers=FHIR)
        assert refused.status_code == 406
        assert "sampling rate" in refused.json()["detail"]
        assert "component" not in (await client.get(f"/ecgs/{bare}/insights", headers=FHIR)).json()
        assert (await client.get("/ecgs/unknown/insights", headers=FHIR)).status_code == 404
