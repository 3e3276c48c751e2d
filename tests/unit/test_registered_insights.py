"""The registry of insights, their declarations, and the computation of all of them for one ECG."""

from typing import Any

import msgspec
import numpy as np
import orjson
import pytest
from hypothesis import given, settings

from contracts import insight_types
from ingest_api.queries import answers
from shared.ecg import Ecg, Lead
from shared.messages import catalogue
from shared.messages.insights import Insights, decode, encode
from stream_agents.insights import INSIGHTS, registry, selected
from stream_agents.insights.contract import Insight, Needs, Scope
from stream_agents.insights.recording import Recording
from tests.support.documented import async_api, openapi, validator
from tests.support.rows import answer, row_of, twelve_leads
from tests.unit.strategies import ecgs

ALL = tuple(INSIGHTS.values())


def insight(name: str, scope: Scope = "ecg", result: Any = int) -> Insight:
    return Insight(name=name, version=1, scope=scope, result=result, compute=lambda _: 7)


def test_an_ecg_with_everything_has_every_insight() -> None:
    row = row_of(twelve_leads())
    found = orjson.loads(answer(row))
    assert found["ecg"].keys() == {i.name for i in ALL if i.scope == "ecg"}
    assert all(lead.keys() == {"name"} | {i.name for i in ALL if i.scope == "lead"} for lead in found["leads"])
    assert found["versions"] == {i.name: i.version for i in ALL}
    assert found["sampling_rate"] == 500
    assert "not_computed" not in found
    assert found["ecg"]["rhythm"]["heart_rate_bpm"] == pytest.approx(75, abs=1)
    assert row.summary.keys() == {"usable_leads", "heart_rate_bpm", "qrs_ms", "qtc_fridericia_ms"}
    assert row.summary["usable_leads"] == 12


def test_the_answer_for_an_ecg_without_a_sampling_rate_has_zero_crossings_only() -> None:
    ecg = Ecg("e", "u", None, (Lead("I", np.array([1, 0, -1], np.int8), 200.0), Lead("x", np.array([], np.int8))))
    row = row_of(ecg)
    assert answer(row) == (
        b'{"ecg_id":"e","leads":[{"name":"I","number_of_zero_crossings":1},{"name":"x","number_of_zero_crossings":0}]}'
    )
    assert answers.event(row, None) == orjson.loads(answer(row))
    listed = answers.summary(row, None)
    assert listed.keys() == {"id", "date", "accepted_at", "status", "error", "leads"}
    assert listed["leads"][0] == {"name": "I", "number_of_samples": 3, "number_of_zero_crossings": 1}


def test_an_old_row_is_answered_as_before() -> None:
    old = b'{"ecg_id":"e","username":"u","leads":[{"name":"I","number_of_zero_crossings":3}],"accepted":5,"offset":7}'
    assert answer(decode(old)) == b'{"ecg_id":"e","leads":[{"name":"I","number_of_zero_crossings":3}]}'
    payload("Insights").validate(orjson.loads(old))


def test_lists_and_events_have_a_summary_and_no_lists_of_beats() -> None:
    row = row_of(twelve_leads())
    for document in (answers.summary(row, "rest"), answers.event(row, "rest")):
        text = orjson.dumps(document)
        assert b"beats" not in text
        assert len(text) < 1500
        assert document["summary"] == row.summary
        assert document["label"] == "rest"
        assert document["leads"][0]["number_of_zero_crossings"] >= 0


@pytest.mark.parametrize(
    ("ecg", "lacks"),
    [
        (twelve_leads(rate=50.0), {"quality", "rhythm", "intervals", "lead_checks"}),
        (twelve_leads(seconds=1.5), {"intervals", "lead_checks"}),
        (twelve_leads(seconds=0.7), {"rhythm", "intervals", "lead_checks"}),
    ],
    ids=["50 Hz", "1.5 s", "0.7 s"],
)
def test_what_cannot_be_computed_is_left_out_with_a_reason(ecg: Ecg, lacks: set[str]) -> None:
    insights = selected("quality, rhythm, intervals, lead_checks")
    found = orjson.loads(answer(row_of(ecg, insights)))
    assert found["not_computed"].keys() == lacks
    assert all(reason.startswith("needs ") for reason in found["not_computed"].values())
    assert not lacks & found.get("ecg", {}).keys()
    assert found["versions"].keys() == {insight.name for insight in insights}


def test_each_need_is_checked() -> None:
    leads = [Lead("lead ii", np.zeros(300, np.int8)), Lead("V1", np.zeros(10, np.int8))]
    recording = Recording(leads, 100.0)
    assert Needs(sampling_rate=100, seconds=3).unmet(recording) is None
    assert Needs(sampling_rate=101).unmet(recording) == "a sampling rate of at least 101 Hz"
    assert Needs(seconds=3.1).unmet(recording) == "at least 3.1 s of recording"


@given(ecgs)
@settings(max_examples=40, deadline=None)
def test_any_ecg_has_a_row_and_answers_as_documented(ecg: Ecg) -> None:
    row = row_of(ecg)
    assert not {reason for reason in row.not_computed.values() if reason.startswith("failed")}
    payload("Insights").validate(orjson.loads(encode(row)))
    http("EcgInsights").validate(orjson.loads(answer(row)))
    http("EcgSummary").validate(orjson.loads(orjson.dumps(answers.summary(row, None))))


def test_the_results_of_a_full_ecg_are_as_documented() -> None:
    row = row_of(twelve_leads())
    payload("Insights").validate(orjson.loads(encode(row)))
    http("EcgInsights").validate(orjson.loads(answer(row)))
    for name, schema in catalogue.catalogue().schemas.items():
        # Nothing that the schema does not name.
        strict = {**schema, "additionalProperties": False}
        results = [lead["quality"] for lead in row.leads] if name == "LeadQuality" else results_of(row, name)
        for result in results:
            validator(strict, async_api()).validate(result)


def results_of(row: Insights, schema: str) -> list[Any]:
    assert isinstance(row.ecg, msgspec.Raw)
    of_ecg = orjson.loads(bytes(row.ecg))
    refs = {i.name: i.schema["$ref"].rpartition("/")[2] for i in catalogue.catalogue().of_scope("ecg")}
    results = [result for name, result in of_ecg.items() if refs[name] == schema]
    assert results
    return results


def payload(name: str) -> Any:
    return validator(async_api()["components"]["schemas"][name], async_api())


def http(name: str) -> Any:
    return validator(openapi()["components"]["schemas"][name], openapi())


@pytest.mark.parametrize("name", ["name", "number_of_samples", "twice"])
def test_no_insight_takes_the_name_of_another_field(name: str) -> None:
    with pytest.raises(ValueError, match=f"there is a field '{name}' already"):
        registry(insight("twice"), insight(name, scope="lead"))


def test_insights_are_selected_by_name_in_the_order_of_the_registry() -> None:
    assert selected("all") == selected(" all ") == ALL
    assert selected("rhythm, number_of_zero_crossings") == (INSIGHTS["number_of_zero_crossings"], INSIGHTS["rhythm"])
    assert selected("") == ()
    with pytest.raises(ValueError, match="'rythm' is not an insight: choose from number_of_zero_crossings, quality"):
        selected("rythm,quality")


def test_with_zero_crossings_alone_an_answer_has_only_these() -> None:
    found = orjson.loads(answer(row_of(twelve_leads(), selected("number_of_zero_crossings"))))
    assert found.keys() == {"ecg_id", "leads", "sampling_rate", "versions"}
    assert found["leads"][0].keys() == {"name", "number_of_zero_crossings"}


def test_every_declaration_says_what_documents_need() -> None:
    for known in insight_types.current().insights:
        assert insight_types.method(INSIGHTS[known.name]), known.name
        assert known.title
        for field in known.fields:
            numeric = field.name.endswith(("_ms", "_mv", "_bpm", "_deg", "_fraction"))
            assert not numeric or field.unit, f"{known.name}.{field.name} lacks a unit"
            assert field.spread_of is None or known.field(field.spread_of), field.name
    without = insight("wild", result=msgspec.defstruct("Untitled", [("x", int)], namespace={"__doc__": "No title."}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(dict_of_registry(), "wild", without)
        with pytest.raises(ValueError, match="x needs a title and a description"):
            insight_types.current()


def dict_of_registry() -> dict[str, Insight]:
    assert isinstance(INSIGHTS, dict)
    return INSIGHTS
