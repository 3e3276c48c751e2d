"""ECGs and their insights as FHIR R4 Observations (hl7.org/fhir/R4/observation.html).

Insights become components by the LOINC codes and UCUM units of the catalogue; leads become SampledData with the codes
of ISO/IEEE 11073-10101.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import msgspec
import orjson

from shared import VERSION
from shared.ecg import Ecg, Lead
from shared.messages.catalogue import Field, InsightType, catalogue
from shared.messages.insights import Insights

Document = dict[str, Any]

_LOINC: Final = "http://loinc.org"
_UCUM: Final = "http://unitsofmeasure.org"
_MDC: Final = "urn:oid:2.16.840.1.113883.6.24"
_ABSENT: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
_UNCERTAINTY: Final = "http://hl7.org/fhir/StructureDefinition/iso21090-uncertainty"
_NO_DIAGNOSIS: Final = "Automatic measurements for people who can judge them, not a diagnosis."
# MDC_ECG_ELEC_POTL, to which the code of the lead is added.
_ELECTRIC_POTENTIAL: Final = 131_328
_LEADS: Final = {
    **{"I": 1, "II": 2, "V1": 3, "V2": 4, "V3": 5, "V4": 6, "V5": 7, "V6": 8},
    **{"III": 61, "AVR": 62, "AVL": 63, "AVF": 64},
}

EXAMPLE_INSIGHTS: Final = {
    "resourceType": "Observation",
    "status": "preliminary",
    "code": {"coding": [{"system": _LOINC, "code": "11524-6"}], "text": "Measurements of an electrocardiogram"},
    "component": [
        {
            "code": {"coding": [{"system": _LOINC, "code": "8867-4"}], "text": "heart rate"},
            "valueQuantity": {"value": 71.86, "unit": "/min", "system": _UCUM, "code": "/min"},
        }
    ],
}
EXAMPLE_ECG: Final = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": _MDC, "code": "131328"}], "text": "Electrocardiogram"},
    "component": [
        {
            "code": {"coding": [{"system": _MDC, "code": "131330"}], "text": "Lead II"},
            "valueSampledData": {
                "origin": {"value": 0, "unit": "mV", "system": _UCUM, "code": "mV"},
                "period": 2.0,
                "factor": 0.001,
                "dimensions": 1,
                "data": "1 0 -1",
            },
        }
    ],
}


def insights(row: Insights) -> Document:
    """Return the insights of an ECG as an Observation with a component for each measurement that has a LOINC code.

    What the ECG does not allow is a component with the reason in place of a value.
    """
    results: dict[str, dict[str, Any]] = {} if row.ecg is msgspec.UNSET else orjson.loads(bytes(row.ecg))
    components = [
        component
        for insight in catalogue().of_scope("ecg")
        for component in _components(insight, results.get(insight.name, {}), row.not_computed.get(insight.name))
    ]
    document = _observation(row.ecg_id, row.date, "preliminary") | {
        "category": [{"coding": [{"system": _CATEGORY, "code": "procedure"}]}],
        "code": {"coding": [{"system": _LOINC, "code": "11524-6"}], "text": "Measurements of an electrocardiogram"},
        "device": {"display": f"ECG stream pipeline {VERSION}"},
        "note": [{"text": _NO_DIAGNOSIS}],
    }
    if row.versions:
        named = ", ".join(f"{name} {version}" for name, version in row.versions.items())
        document["method"] = {"text": f"Versions of the insights: {named}"}
    if components:
        return document | {"component": components}
    return document | {"dataAbsentReason": _reason("unknown", "the ECG has no insight with a LOINC code")}


def ecg(stored: Ecg, sampling_rate: float) -> Document:
    """Return an ECG with its signals, and its sampling rate in Hz, as an Observation with SampledData for each lead."""
    period = 1000 / sampling_rate
    return _observation(stored.id, stored.date, "final") | {
        "category": [{"coding": [{"system": _CATEGORY, "code": "procedure"}]}],
        "code": {
            "coding": [{"system": _MDC, "code": str(_ELECTRIC_POTENTIAL), "display": "MDC_ECG_ELEC_POTL"}],
            "text": "Electrocardiogram",
        },
        "component": [_sampled(lead, period) for lead in stored.leads],
    }


def _observation(ecg_id: str, date: str | None, status: str) -> Document:
    document: Document = {
        "resourceType": "Observation",
        "identifier": [{"value": ecg_id}],
        "status": status,
    }
    if (moment := _date_time(date)) is not None:
        document["effectiveDateTime"] = moment
    return document


def _components(insight: InsightType, result: dict[str, Any], reason: str | None) -> Iterator[Document]:
    spreads = {field.spread_of: field.name for field in insight.fields if field.spread_of}
    absent = result.get("absent", {})
    for field in insight.fields:
        if field.loinc is None:
            continue
        component: Document = {
            "code": {"coding": [{"system": _LOINC, "code": field.loinc}], "text": field.title},
        }
        value = result.get(field.name)
        if value is not None:
            spread = result.get(spreads.get(field.name, ""))
            yield component | {"valueQuantity": _quantity(value, field, spread)}
        elif field.name in absent:
            yield component | {"dataAbsentReason": _reason("unknown", absent[field.name])}
        elif reason is not None:
            yield component | {"dataAbsentReason": _reason("not-performed", reason)}


def _quantity(value: float, field: Field, spread: float | None) -> Document:
    quantity: Document = {"value": value, "unit": field.unit, "system": _UCUM, "code": field.unit}
    if spread is not None:
        quantity["extension"] = [{"url": _UNCERTAINTY, "valueDecimal": spread}]
    return quantity


def _reason(code: str, text: str) -> Document:
    return {"coding": [{"system": _ABSENT, "code": code}], "text": text}


def _sampled(lead: Lead, period: float) -> Document:
    # Without a gain, the samples are bare numbers.
    unit = {} if lead.adc_gain is None else {"unit": "mV", "system": _UCUM, "code": "mV"}
    scale = {} if lead.adc_gain is None else {"factor": 1 / lead.adc_gain}
    samples = list(map(str, lead.signal.tolist()))
    for first, count in lead.missing:
        samples[first : first + count] = ["E"] * count
    code: Document = {"text": f"Lead {lead.name}"}
    if (number := _LEADS.get(lead.name.upper())) is not None:
        display = f"MDC_ECG_ELEC_POTL_{lead.name.upper()}"
        code["coding"] = [{"system": _MDC, "code": str(_ELECTRIC_POTENTIAL + number), "display": display}]
    if not samples:
        return {"code": code, "dataAbsentReason": _reason("unknown", "the lead has no samples")}
    sampled = {
        "origin": {"value": 0} | unit,
        "period": period,
        **scale,
        "dimensions": 1,
        "data": " ".join(samples),
    }
    return {"code": code, "valueSampledData": sampled}


def _date_time(date: str | None) -> str | None:
    """Return a date of recording as FHIR has it: with a time zone if it has a time, or else as a day."""
    if date is None:
        return None
    moment = datetime.fromisoformat(date)
    return moment.isoformat() if moment.tzinfo is not None else moment.date().isoformat()
