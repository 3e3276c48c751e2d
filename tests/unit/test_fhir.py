"""FHIR Observations of insights and ECGs, validated by the model classes of R4B, and the header that asks for them."""

import warnings
from decimal import Decimal
from typing import Any

import numpy as np
import orjson
import pytest
from fhir.resources.R4B.observation import Observation
from hypothesis import given, settings

from ecg_client.recordings import Calibration
from ecg_client.recordings.fhir_format import read_fhir
from ingest_api.http.accept_header import FHIR, preferred
from ingest_api.queries import fhir
from shared.ecg import Ecg, Lead
from shared.encoding import packed
from shared.messages.insights import Insights
from tests.support.rows import row_of, twelve_leads
from tests.unit.strategies import ecgs

LOINC = {
    "heart rate": "8867-4",
    "PR": "8625-6",
    "QRS": "8633-0",
    "QT": "8634-8",
    "QTc (Bazett)": "8636-3",
    "QTc (Fridericia)": "8636-3",
    "QRS axis": "8632-2",
}


def valid(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document as clients read it, if it is a valid Observation."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        Observation.model_validate_json(text := orjson.dumps(document))
    read: dict[str, Any] = orjson.loads(text)
    return read


def components(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {component["code"]["text"]: component for component in document["component"]}


def test_every_measurement_with_a_code_is_a_component_in_ucum_units() -> None:
    row = row_of(twelve_leads())
    found = valid(fhir.insights(row))
    assert found["identifier"] == [{"value": "e"}]
    assert found["status"] == "preliminary"
    assert "not a diagnosis" in found["note"][0]["text"]
    assert "intervals 4" in found["method"]["text"]
    assert "effectiveDateTime" not in found
    codes = {name: of["code"]["coding"][0]["code"] for name, of in components(found).items()}
    assert codes == LOINC
    units = {name: of["valueQuantity"]["code"] for name, of in components(found).items()}
    assert units == dict.fromkeys(LOINC, "ms") | {"heart rate": "/min", "QRS axis": "deg"}
    measured = orjson.loads(bytes(row.ecg))["intervals"]  # type: ignore[arg-type]
    qrs = components(found)["QRS"]["valueQuantity"]
    assert qrs["value"] == measured["qrs_ms"] == row.summary["qrs_ms"]
    assert qrs["extension"][0]["valueDecimal"] == measured["qrs_spread_ms"]
    assert "extension" not in components(found)["QTc (Bazett)"]["valueQuantity"]


def test_what_is_absent_has_the_reason_in_place_of_a_value() -> None:
    ecg = twelve_leads(gain=None)
    found = components(valid(fhir.insights(row_of(ecg))))
    assert found["QRS axis"]["dataAbsentReason"] == {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown"}],
        "text": "needs two usable limb leads with an ADC gain",
    }
    short = components(valid(fhir.insights(row_of(twelve_leads(seconds=1.5)))))
    assert short["QRS"]["dataAbsentReason"]["coding"][0]["code"] == "not-performed"
    assert short["QRS"]["dataAbsentReason"]["text"] == "needs at least 2 s of recording"
    assert all("valueQuantity" not in of for of in short.values() if "dataAbsentReason" in of)


def test_an_ecg_without_a_sampling_rate_has_no_component() -> None:
    found = valid(fhir.insights(row_of(twelve_leads(rate=None))))
    assert "component" not in found
    assert "method" in found
    assert found["dataAbsentReason"]["text"] == "the ECG has no insight with a LOINC code"
    assert valid(fhir.insights(Insights("old", "u", [{"name": "I"}])))["identifier"] == [{"value": "old"}]


@pytest.mark.parametrize(
    ("date", "moment"),
    [
        (None, None),
        ("2026-11-24", "2026-11-24"),
        ("2026-11-24T10:00:00Z", "2026-11-24T10:00:00+00:00"),
        ("2026-11-24T10:00:00.5+02:00", "2026-11-24T10:00:00.500000+02:00"),
        # FHIR has no time without a zone.
        ("2026-11-24T10:00", "2026-11-24"),
        ("20261124T100000Z", "2026-11-24T10:00:00+00:00"),
        ("2026-W48-2", "2026-11-24"),
    ],
)
def test_the_date_is_that_of_the_recording(date: str | None, moment: str | None) -> None:
    found = valid(fhir.insights(Insights("e", "u", [], date=date)))
    assert found.get("effectiveDateTime") == moment


def test_signals_are_sampled_data_that_the_client_reads_back() -> None:
    ecg = twelve_leads(seconds=2.0)
    missing = ecg.leads[1].signal.copy()
    missing[100:150] = 0
    leads = (ecg.leads[0], Lead("II", missing, 1000.0, ((100, 50),)), *ecg.leads[2:])
    ecg = Ecg("e", "u", "2026-11-24T10:00:00+00:00", leads, 500.0)
    found = valid(fhir.ecg(ecg, 500.0))
    second = components(found)["Lead II"]
    assert second["code"]["coding"][0] == {
        "system": "urn:oid:2.16.840.1.113883.6.24",
        "code": "131330",
        "display": "MDC_ECG_ELEC_POTL_II",
    }
    sampled = second["valueSampledData"]
    assert (sampled["period"], sampled["factor"], sampled["origin"]["code"]) == (2.0, 0.001, "mV")
    assert sampled["data"].split()[99:151] == [str(missing[99]), *["E"] * 50, str(missing[150])]
    read = read_fhir(found, Calibration())
    assert [lead.name for lead in read.leads] == [lead.name for lead in leads]
    assert (read.sampling_rate, read.date) == (500.0, ecg.date)
    for lead, back in zip(leads, read.leads, strict=True):
        assert lead.missing == back.missing
        assert back.adc_gain is not None
        assert np.allclose(back.signal / back.adc_gain, lead.signal / 1000)


def test_a_lead_without_a_gain_or_samples_is_represented_too() -> None:
    leads = (Lead("Ix", np.array([1, -1])), Lead("aVR", np.array([], np.int8), 200.0))
    bare, empty = valid(fhir.ecg(Ecg("e", "u", None, leads, 360.0), 360.0))["component"]
    assert bare["code"] == {"text": "Lead Ix"}
    assert bare["valueSampledData"]["origin"] == {"value": 0}
    assert "factor" not in bare["valueSampledData"]
    assert Decimal(str(bare["valueSampledData"]["period"])) == Decimal(str(1000 / 360))
    assert empty["code"]["coding"][0]["code"] == "131390"
    assert empty["dataAbsentReason"]["text"] == "the lead has no samples"


@given(ecgs)
@settings(max_examples=30, deadline=None)
def test_any_ecg_is_a_valid_observation(ecg: Ecg) -> None:
    valid(fhir.insights(row_of(ecg)))
    if ecg.sampling_rate is not None and 1000 / ecg.sampling_rate < float("inf"):
        valid(fhir.ecg(ecg, ecg.sampling_rate))


@pytest.mark.parametrize("example", [fhir.EXAMPLE_INSIGHTS, fhir.EXAMPLE_ECG])
def test_the_documented_examples_are_valid(example: dict[str, Any]) -> None:
    valid(example)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], False),
        (["*/*"], False),
        (["application/json"], False),
        (["application/fhir+json"], True),
        (["Application/FHIR+JSON; fhirVersion=4.0"], True),
        (["application/fhir+json, application/json;q=0.9"], True),
        (["application/json", "application/fhir+json"], True),
        (["application/json, application/fhir+json;q=0.5"], False),
        (["application/json;q=0.4, application/fhir+json; q=0.5, */*;q=0.1"], True),
        (["application/fhir+json;q=0"], False),
        (["application/fhir+json;q=high"], False),
        (["application/fhir+xml, application/fhir+jsonx"], False),
        (["text/html,application/xhtml+xml,*/*;q=0.8"], False),
        (["application/fhir+json," + "x," * 5000], False),
    ],
)
def test_the_accept_header_chooses(headers: list[str], expected: bool) -> None:
    assert preferred(headers, FHIR) == (FHIR if expected else None)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (f"{packed.CONTENT_TYPE}, application/json;q=0.9", packed.CONTENT_TYPE),
        (f"application/fhir+json;q=0.5, {packed.CONTENT_TYPE};q=0.6", packed.CONTENT_TYPE),
        (f"application/fhir+json;q=0.7, {packed.CONTENT_TYPE};q=0.6", FHIR),
        (f"application/fhir+json;q=0.7, {packed.CONTENT_TYPE};q=0.6, application/json", None),
        (f"{packed.CONTENT_TYPE};q=0, */*", None),
    ],
)
def test_the_accept_header_chooses_among_several(header: str, expected: str | None) -> None:
    assert preferred([header], FHIR, packed.CONTENT_TYPE) == expected
