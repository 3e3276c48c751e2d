"""Insights as the command line shows them: tables with titles and units, summaries, and what it does not know."""

import io
from typing import Any

import orjson
import pytest
from rich.console import Console, RenderableType

from ecg_client.cli import measurements, output
from ecg_client.results import Insights, parse_insights, parse_page
from ingest_api.queries import answers
from shared.messages.insights import Insights as Row
from tests.support.rows import answer, row_of, twelve_leads


def printed(table: RenderableType) -> str:
    console = Console(file=(out := io.StringIO()), width=200)
    console.print(table)
    return out.getvalue()


def lines(table: RenderableType) -> list[list[str]]:
    """Return the cells of a printed table, line by line."""
    text = printed(table).replace("┃", "│")
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in text.splitlines() if "│" in line]


def insights_of(row: Row) -> Insights:
    return parse_insights(orjson.loads(answer(row)))


ROW = row_of(twelve_leads())
FULL = insights_of(ROW)


def test_each_lead_has_a_row_and_each_measurement_a_column_with_its_unit() -> None:
    head, *rows = lines(measurements.lead_table(FULL))
    assert head == [
        *("lead", "zero crossings", "usable", "amplitude, mV", "baseline wander, mV", "mains hum, mV"),
        "muscle noise, mV",
    ]
    assert [row[0] for row in rows] == [lead.name for lead in FULL.leads]
    assert all(row[2] == "yes" for row in rows)
    assert float(rows[1][3]) == FULL.leads[1].values["quality"]["amplitude_mv"]


def test_a_column_that_has_something_for_a_lead_is_shown() -> None:
    leads = [dict(lead, quality={**lead["quality"]}) for lead in ROW.leads]
    leads[3]["quality"] |= {"usable": False, "reasons": ["flat", "missing"], "flat_fraction": 0.9}
    found = parse_insights({"ecg_id": "e", "leads": leads})
    head, *rows = lines(measurements.lead_table(found))
    assert rows[3][head.index("usable")] == "no"
    assert rows[3][head.index("reasons")] == "flat, missing"
    assert rows[3][head.index("flat")] == "0.9"
    assert rows[0][head.index("reasons")] == ""


def test_measurements_of_the_ecg_have_units_spreads_and_reasons() -> None:
    found = insights_of(ROW)
    del found.ecg["intervals"]["pr_ms"]
    found.ecg["intervals"]["absent"] = {"pr_ms": "no P wave"}
    found.not_computed["lead_checks"] = "needs more"
    table = measurements.ecg_table(found)
    assert table is not None
    rows = {row[0]: row[1:] for row in lines(table)}
    assert rows["measurement"] == ["value", "unit", "remark"]
    assert rows["heart rate"] == [str(found.ecg["rhythm"]["heart_rate_bpm"]), "/min", ""]
    assert rows["PR"] == ["", "ms", "no P wave"]
    intervals = found.ecg["intervals"]
    assert rows["QRS"] == [str(intervals["qrs_ms"]), "ms", f"± {intervals['qrs_spread_ms']}"]
    assert rows["arm electrodes swapped"] == ["no", "", ""]
    assert rows["lead checks"] == ["", "", "needs more"]
    assert not any("spread" in name or "positions" in name for name in rows)


def test_zero_crossings_alone_need_no_second_table() -> None:
    found = parse_insights({"ecg_id": "e", "leads": [{"name": "I", "number_of_zero_crossings": 1234}]})
    assert lines(measurements.lead_table(found)) == [["lead", "zero crossings"], ["I", "1,234"]]
    assert measurements.ecg_table(found) is None
    assert output.insights_document(found)["leads"] == [{"name": "I", "number_of_zero_crossings": 1234}]
    assert {name for name, value in output.insights_document(found).items() if value is not None} == {"leads"}


def test_insights_of_a_newer_pipeline_are_shown_by_their_names() -> None:
    document: dict[str, Any] = {
        "ecg_id": "e",
        "leads": [{"name": "I", "number_of_wild_things": 3, "odd": {"new_field": 0.5}, "list": [1, 2]}],
        "ecg": {
            "novel": {"a_value": 7, "beats": [1, 2], "absent": {}},
            "rhythm": {"brand_new": 1, "number_of_beats": 2},
        },
        "not_computed": {"another\x1b": "be\x1bcause"},
    }
    found = parse_insights(document)
    assert lines(measurements.lead_table(found)) == [
        ["lead", "wild things", "new field", "list"],
        ["I", "3", "0.5", "1, 2"],
    ]
    table = measurements.ecg_table(found)
    assert table is not None
    assert lines(table)[1:] == [
        ["a value", "7", "", ""],
        ["beats", "2", "", ""],
        ["brand new", "1", "", ""],
        ["another\\x1b", "", "", "be\\x1bcause"],
    ]


def test_beats_of_a_recording_have_titles_units_and_a_time() -> None:
    beats: dict[str, Any] = {
        "number_of_beats": 1234,
        "complete_until": 45_000,
        "mean_rate": 71.6,
        "least_rate": None,
        "most_rate": 120.0,
        "longest_pause": {"first_sample": 41_600, "seconds": 1.234},
        "rate_now": 72.0,
        "brand_new": 3,
        "bre\x1bak": [1],
    }
    assert measurements.beats_line(beats, 500.0) == (
        "beats: 1,234; heart rate: 72 /min; highest heart rate: 120 /min; longest pause: 1.2 s at 0:01:23; "
        "heart rate now: 72 /min; brand new: 3"
    )
    assert measurements.beats_line({"number_of_beats": 0, "longest_pause": None}, 500.0) == "beats: 0"
    # Which is not the same as none.
    assert measurements.beats_line({"number_of_beats": 0, "complete_until": 0}, 500.0) == "beats: not searched yet"


def test_the_summary_is_that_of_the_gateway() -> None:
    assert measurements.summary(FULL) == ROW.summary
    titles = measurements.summary_titles([ROW.summary, {"brand_new": 1}])
    assert titles == {
        "usable_leads": "usable leads",
        "heart_rate_bpm": "heart rate, /min",
        "qrs_ms": "QRS, ms",
        "qtc_fridericia_ms": "QTc (Fridericia), ms",
        "brand_new": "brand new",
    }
    assert measurements.summary_row({"usable_leads": 12}, titles) == ["12", "", "", "", ""]
    assert measurements.summary_line(ROW.summary).startswith("usable leads: 12; heart rate, /min: 7")
    assert measurements.summary(parse_insights({"ecg_id": "e", "leads": [{"name": "I"}]})) == {}


@pytest.mark.parametrize(
    "row", [ROW, Row("e", "u", [{"name": "I", "number_of_zero_crossings": 3}], number_of_samples=[5])]
)
def test_lists_are_parsed_with_their_summary(row: Row) -> None:
    document = orjson.loads(orjson.dumps({"ecgs": [answers.summary(row, None)], "next": None}))
    [listed] = parse_page(document).ecgs
    assert listed.summary == row.summary
    assert listed.leads[0].number_of_zero_crossings == row.leads[0]["number_of_zero_crossings"]
