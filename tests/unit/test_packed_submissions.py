"""Packed bodies of submissions: what is accepted, and the refusal of everything else in the words that JSON gets."""

from typing import Any

import msgspec
import numpy as np
import orjson
import pytest
from hypothesis import given

from ingest_api.http.openapi import PackedLead
from ingest_api.submissions.schemas import PackedEcgIn
from shared.ecg import Content, Ecg, narrowed
from shared.encoding import decode_submission, packed, plain
from shared.errors import InvalidEcg
from tests.support.bombs import PACKED_BOMBS, PACKED_TWICE
from tests.support.decoders import LONGEST_REASON
from tests.unit.strategies import ecgs, same

LEAD = {"name": "I", "dtype": "int16", "signal": b"\x01\x00\xff\xff"}
PLAIN_LEAD = {"name": "I", "signal": [1, -1]}
# Values by field.
WRONG: dict[str, list[Any]] = {
    "date": [1, "tomorrow", True, [], {}, 1.5],
    "label": ["", " ", 1, "x" * 201, "a\nb", ["x"]],
    "sampling_rate": [0, -1, 1e6 + 1, 1e300, 10**18, True, "500", [500], {}],
    "leads": [None, [], "I", 1, {}],
    **{name: [1] for name in ("sampling_frequency", "samplingRate", "patient", "lead", "id", "username")},
    **{name: [1] for name in ("", "x" * 5000, "a`b")},
}
WRONG_IN_LEAD: dict[str, list[Any]] = {
    "name": [None, "", " ", 1, "x" * 129, "a\nb", ["I"]],
    "adc_gain": [0, -200, False, "200", [200], {}],
    "missing": [
        *(0, "0", {}, [0], [[0]], [[0, 1, 1]], [[0.0, 1]], [[True, 1]], [[0, 1]]),
        *([[0, 0]], [[-1, 1]], [[2, 1]], [[1, 2]], [[0, 1]] * 3, [[0, 2**63]]),
    ],
}


def changes(wrong: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [{field: value} for field, values in wrong.items() for value in values]


def pack(**fields: Any) -> bytes:
    return msgspec.msgpack.encode({"leads": [LEAD], **fields})


def content_of(ecg: Ecg) -> Content:
    return Content(ecg.date, ecg.leads, ecg.sampling_rate, ecg.label)


def refusal(value: bytes, media_type: str = packed.CONTENT_TYPE) -> InvalidEcg:
    with pytest.raises(InvalidEcg) as caught:
        decode_submission(value, media_type)
    return caught.value


@given(ecgs)
def test_submissions_round_trip_through_packing(ecg: Ecg) -> None:
    value = packed.encode_content(content_of(ecg))
    for only_known in (True, False):
        assert same(Ecg.of(ecg.id, ecg.username, packed.decode_content(value, only_known=only_known)), ecg)


@given(ecgs)
def test_wide_samples_narrow_to_those_that_json_decodes_to(ecg: Ecg) -> None:
    """Ids of submissions with an idempotency key are derived from them."""
    leads = tuple(msgspec.structs.replace(lead, signal=lead.signal.astype("<i8")) for lead in ecg.leads)
    wide = packed.encode_content(msgspec.structs.replace(content_of(ecg), leads=leads))
    assert same(Ecg.of(ecg.id, ecg.username, narrowed(decode_submission(wide, packed.CONTENT_TYPE))), ecg)


def test_the_signals_of_a_submission_are_views_of_its_body() -> None:
    value = pack()
    [lead] = packed.decode_content(value, only_known=True).leads
    assert np.shares_memory(lead.signal, np.frombuffer(value, np.uint8))
    assert lead.signal.tolist() == [1, -1]


def test_every_documented_field_of_a_packed_submission_is_known() -> None:
    assert PackedEcgIn.model_fields.keys() == packed.CONTENT_FIELDS
    assert PackedLead.model_fields.keys() == packed.LEAD_FIELDS
    lead = {**LEAD, "adc_gain": 200, "missing": None}
    content = packed.decode_content(pack(date=None, label=None, sampling_rate=500, leads=[lead]), only_known=True)
    assert (content.sampling_rate, content.leads[0].adc_gain, content.leads[0].missing) == (500.0, 200.0, ())


@pytest.mark.parametrize("change", changes(WRONG), ids=repr)
def test_a_wrong_field_is_refused_in_the_words_that_json_gets(change: dict[str, Any]) -> None:
    expected = refusal(orjson.dumps({"leads": [PLAIN_LEAD], **change}), plain.CONTENT_TYPE)
    found = refusal(pack(**change))
    assert (str(found), found.field) == (str(expected), expected.field)


@pytest.mark.parametrize("change", changes(WRONG_IN_LEAD), ids=repr)
def test_a_wrong_field_of_a_lead_is_refused_in_the_words_that_json_gets(change: dict[str, Any]) -> None:
    expected = refusal(orjson.dumps({"leads": [PLAIN_LEAD, {**PLAIN_LEAD, **change}]}), plain.CONTENT_TYPE)
    found = refusal(pack(leads=[LEAD, {**LEAD, **change}]))
    assert (str(found), found.field) == (str(expected), expected.field)


def test_too_many_leads_are_refused_in_the_words_that_json_gets() -> None:
    expected = refusal(orjson.dumps({"leads": [PLAIN_LEAD] * 1025}), plain.CONTENT_TYPE)
    assert str(refusal(pack(leads=[LEAD] * 1025))) == str(expected)
    assert len(decode_submission(pack(leads=[LEAD] * 1024), packed.CONTENT_TYPE).leads) == 1024


def test_leads_and_ranges_are_counted_before_they_are_unpacked() -> None:
    """A body of the largest size announces millions, and each would take a hundred times its byte."""
    many = b"\xdd" + (1_000_000).to_bytes(4) + b"\xc0" * 1_000_000
    assert str(refusal(b"\x81\xa5leads" + many)) == "leads: must hold 1 to 1024 leads, not 1000000"
    lead = msgspec.msgpack.encode(LEAD)[1:]
    body = b"\x81\xa5leads\x91\x84" + lead + b"\xa7missing" + many
    assert str(refusal(body)).startswith("leads[0].missing: must be ascending ranges of the signal's samples")


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_rate_and_a_gain_that_json_cannot_hold_are_refused(number: float) -> None:
    assert str(refusal(pack(sampling_rate=number))).startswith("sampling_rate: must be a number of hertz above 0")
    assert str(refusal(pack(leads=[{**LEAD, "adc_gain": number}]))).startswith("leads[0].adc_gain: must be a finite")


@pytest.mark.parametrize(
    ("lead", "reason"),
    [
        (None, "leads[0]: must be a map whose fields are among adc_gain, dtype, missing, name, signal"),
        ([], "leads[0]: must be a map whose fields are among adc_gain, dtype, missing, name, signal"),
        ({1: 2}, "leads[0]: must be a map whose fields are among adc_gain, dtype, missing, name, signal"),
        ({**LEAD, "dtype": "float64"}, "leads[0].dtype: must be one of int8, int16, int32, int64"),
        ({**LEAD, "dtype": 2}, "leads[0].dtype: must be one of int8, int16, int32, int64"),
        ({**LEAD, "dtype": "x - at `$.y`"}, "leads[0].dtype: must be one of int8, int16, int32, int64"),
        ({"name": "I", "signal": b""}, "leads[0].dtype: must be one of int8, int16, int32, int64"),
        ({"name": "I", "dtype": "int8"}, "leads[0].signal: must hold the samples as bytes (bin)"),
        ({**LEAD, "signal": [1, -1]}, "leads[0].signal: must hold the samples as bytes (bin)"),
        ({**LEAD, "signal": "abcd"}, "leads[0].signal: must hold the samples as bytes (bin)"),
        ({**LEAD, "signal": msgspec.msgpack.Ext(1, b"abcd")}, "leads[0].signal: must hold the samples as bytes (bin)"),
        ({**LEAD, "name": msgspec.msgpack.Ext(1, b"abcd")}, "leads[0].name: must be 1 to 128 printable characters"),
        ({**LEAD, "signal": b"abc"}, "leads[0].signal: must hold whole samples of 2 bytes, not 3 bytes"),
        ({**LEAD, "gain": 200}, "leads[0].gain: is not a field of a lead: did you mean adc_gain?"),
        (
            {**LEAD, "number_of_samples": 2},
            "leads[0].number_of_samples: is not a field of a lead: known are adc_gain, dtype, missing, name, signal",
        ),
    ],
)
def test_what_only_a_packed_lead_can_get_wrong_is_named(lead: Any, reason: str) -> None:
    assert str(refusal(pack(leads=[lead]))).startswith(reason)


@pytest.mark.parametrize("kind", PACKED_TWICE)
def test_a_field_that_is_there_twice_is_refused(kind: str) -> None:
    value, field = PACKED_TWICE[kind]
    assert str(refusal(value)) == f"{field}: must not be there twice"


@pytest.mark.parametrize("kind", PACKED_BOMBS)
def test_a_packed_bomb_in_a_body_is_refused_with_a_short_message(kind: str) -> None:
    assert len(str(refusal(PACKED_BOMBS[kind]))) < LONGEST_REASON


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "body: malformed MessagePack: "),
        (b"\xc1", "body: malformed MessagePack: "),
        (b"\xc0", "body: must be a map whose fields are among date, label, leads, sampling_rate"),
        (b"{}", "body: must be a map whose fields are among"),
        (msgspec.msgpack.encode([1]), "body: must be a map whose fields are among"),
        (msgspec.msgpack.encode({1: 2}), "body: must be a map whose fields are among"),
        (msgspec.msgpack.encode({}), "leads: must be a list of leads"),
        (pack() + b"\xc0", "body: malformed MessagePack: MessagePack data is malformed: trailing characters"),
        (b"\x81\xa1\xff\x01", "body: malformed MessagePack: texts must be UTF-8"),
    ],
)
def test_anything_but_a_map_of_known_fields_is_refused(value: bytes, reason: str) -> None:
    assert str(refusal(value)).startswith(reason)


def test_a_body_cut_anywhere_is_refused() -> None:
    value = pack(date="2026-11-24", sampling_rate=500, leads=[{**LEAD, "missing": []}, LEAD])
    for length in range(len(value)):
        refusal(value[:length])


def test_a_reader_ignores_fields_that_it_does_not_know() -> None:
    """A client reads the answers of newer gateways."""
    value = pack(id="e", accepted_at="2026-11-24T10:00:00Z", leads=[{**LEAD, "unit": "mV"}])
    assert packed.decode_content(value).leads[0].signal.tolist() == [1, -1]
