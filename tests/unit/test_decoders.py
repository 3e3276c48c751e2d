"""Every decoder accepts valid input, and raises only its documented error for anything else."""

import os
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest_api.kafka.offset_cursor import OffsetCursors
from ingest_api.submissions.schemas import EcgIn, LeadIn
from shared.ecg import Content, _is_lead_name, check_lead_name
from shared.encoding import packed, plain
from shared.errors import InvalidEcg
from shared.kafka.topic import Topic
from shared.settings import Settings
from shared.worker_protocol.listing import Position
from stream_agents.processing.outcomes import Rejected, Stored
from stream_agents.processing.record import Record
from tests.support.bombs import PACKED_BOMBS, TWICE
from tests.support.decoders import CURSORS, DECODERS, ISSUER, LONGEST_REASON, processor
from tests.unit.strategies import ecgs

# For a longer run by hand: ECG_HOSTILE_EXAMPLES=100000
EXAMPLES = int(os.environ.get("ECG_HOSTILE_EXAMPLES", "150"))
thorough = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))

LEAD = {"name": "I", "signal": [1]}
# Of another deployment: part of a genuine id could be completed by chance.
FORGED = OffsetCursors(
    Settings.model_validate({"secret": "another secret of at least 32 characters"}), Topic("t", 12), 12
)
_FIELDS = ["id", "username", "date", "sampling_rate", "leads", "name", "signal", "adc_gain", "number_of_samples"]


def documents(integers: st.SearchStrategy[int]) -> st.SearchStrategy[Any]:
    """Return a strategy for values that resemble ECGs more or less."""
    return st.recursive(
        st.none()
        | st.booleans()
        | integers
        | st.floats()
        | st.text(max_size=5)
        | st.sampled_from(["2026-11-24", "I", "u", "e"]),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(_FIELDS), inner, max_size=len(_FIELDS))
        ),
        max_leaves=12,
    )


_PIECES = [
    *(b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\ud800", b"\xff", b"\xc0\x80", b"\0", b"NaN", b"-", b"1e999"),
    *(b"9" * 19, b"9" * 30, b'"leads":', b'"signal":', b'"name":', b"true", b"[" * 2000, b'{"a":' * 2000),
    *(b"\xc1", b"\xdf\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\x91" * 2000),
]


@st.composite
def mutated(draw: st.DrawFn, good: st.SearchStrategy[bytes]) -> bytes:
    """Draw a valid value, and replace, remove or repeat some of its bytes."""
    value = bytearray(draw(good))
    for _ in range(draw(st.integers(0, 4))):
        begin = draw(st.integers(0, len(value)))
        end = min(len(value), begin + draw(st.integers(0, 12)))
        piece = st.sampled_from(_PIECES) | st.binary(max_size=4) | st.just(bytes(value[begin:end]) * 2)
        value[begin:end] = draw(piece | st.just(b""))
    return bytes(value)


RIGHT: dict[str, st.SearchStrategy[bytes]] = {
    "submission": ecgs.map(plain.encode),
    "message": ecgs.map(plain.encode) | documents(st.integers(-(2**70), 2**70)).map(msgspec.json.encode),
    "packed_message": ecgs.map(packed.encode) | documents(st.integers(-(2**63), 2**64 - 1)).map(msgspec.msgpack.encode),
    "packed_submission": ecgs.map(
        lambda ecg: packed.encode_content(Content(ecg.date, ecg.leads, ecg.sampling_rate, ecg.label))
    )
    | documents(st.integers(-(2**63), 2**64 - 1)).map(msgspec.msgpack.encode),
    "content_type": st.builds(
        lambda name, ecg: name.encode() + b"\0" + packed.encode(ecg),
        st.sampled_from([packed.CONTENT_TYPE, plain.CONTENT_TYPE, "", ";", "text/plain"]),
        ecgs,
    ),
    "record": st.builds(
        lambda headers, ecg, encode: b"\n".join([ecg.id.encode(), *headers, encode(ecg)]),
        st.lists(st.sampled_from([b"", b"-", b"u", packed.CONTENT_TYPE.encode(), b"\xff", b"1700000000000"])),
        ecgs,
        st.sampled_from([plain.encode, packed.encode]),
    ),
    "cursor": st.builds(
        lambda time, name: CURSORS.seal("another user", Position(time, name)).encode(),
        st.integers(0, 2**63),
        st.text("abc:-", min_size=1, max_size=40),
    ),
    "event_id": st.lists(st.integers(0, 2**62), max_size=12).map(lambda at: FORGED.encode(at).encode()),
    "ecg_id": st.builds(lambda: ISSUER.issue("another user").encode()),
    "header": st.sampled_from([b"wait=5", b'foo="a\\"b", wait=10', b"return=minimal; wait = 3, wait=4", b"a" * 5000]),
}


def test_every_decoder_is_tried() -> None:
    assert set(RIGHT) == set(DECODERS)


@pytest.mark.parametrize("name", DECODERS)
def test_any_input_is_accepted_or_refused_with_the_documented_error(name: str) -> None:
    @thorough
    @given(mutated(RIGHT[name]) | st.binary(max_size=200))
    def attempt(data: bytes) -> None:
        DECODERS[name](data)

    attempt()


@given(st.text(min_size=1, max_size=20), st.integers(0, 2**63), st.text("abc:-", min_size=1, max_size=40))
def test_a_cursor_is_valid_for_one_user_only(username: str, time: int, ecg_id: str) -> None:
    cursor = CURSORS.seal(username, Position(time, ecg_id))
    assert CURSORS.open(username, cursor) == Position(time, ecg_id)
    with pytest.raises(ValueError, match=r"."):
        CURSORS.open(username + "x", cursor)


@pytest.mark.parametrize(("document", "field"), TWICE)
def test_a_duplicate_field_is_refused(document: bytes, field: str) -> None:
    for decode in (plain.decode, plain.decode_content):
        with pytest.raises(InvalidEcg, match="must not be there twice") as caught:
            decode(document)
        assert caught.value.field == field
    with pytest.raises(InvalidEcg) as of_message:
        plain.decode(document)
    known = ("e", "u") if "[" in field else (None, None)
    assert (of_message.value.ecg_id, of_message.value.username) == known


def test_fields_that_are_not_read_may_be_duplicated() -> None:
    document = b'{"id":"e","username":"u","leads":[{"name":"I","signal":[1]}],"note":{"a":1,"a":2}}'
    assert plain.decode(document).id == "e"


@pytest.mark.parametrize(
    ("document", "field", "hint"),
    [
        ({"sampling_frequency": 500}, "sampling_frequency", "did you mean sampling_rate?"),
        ({"samplingRate": 500}, "samplingRate", "did you mean sampling_rate?"),
        ({"patient": {"name": "?"}}, "patient", "known are date, label, leads, sampling_rate"),
        ({"patient": 2**70}, "patient", "known are date, label, leads, sampling_rate"),
        ({"lead": [], "leads": []}, "lead", "did you mean leads?"),
        # Over HTTP the gateway gives an ECG its id and its owner.
        ({"username": "u"}, "username", "known are date, label, leads, sampling_rate"),
        ({"": 1}, '""', "known are date, label, leads, sampling_rate"),
        ({"x" * 5000: 1}, "x" * 64, "known are date, label, leads, sampling_rate"),
        ({"leads": [LEAD, {**LEAD, "gain": 200}]}, "leads[1].gain", "did you mean adc_gain?"),
        (
            {"leads": [{**LEAD, "unit": "mV"}]},
            "leads[0].unit",
            "known are adc_gain, missing, name, number_of_samples, signal",
        ),
    ],
)
def test_an_unknown_field_of_a_submission_is_refused_with_its_place_and_the_nearest_known_one(
    document: dict[str, Any], field: str, hint: str
) -> None:
    value = msgspec.json.encode({"leads": [LEAD], **document})
    with pytest.raises(InvalidEcg) as caught:
        plain.decode_content(value, only_known=True)
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field}: is not a field of a ")
    assert str(caught.value).endswith(f": {hint}")


def test_every_documented_field_of_a_submission_is_known() -> None:
    assert EcgIn.model_fields.keys() == plain.CONTENT_FIELDS
    assert LeadIn.model_fields.keys() == plain.LEAD_FIELDS
    lead = {**LEAD, "number_of_samples": 1, "adc_gain": 200, "missing": None}
    document = {"date": None, "label": None, "sampling_rate": 500, "leads": [lead]}
    assert plain.decode_content(orjson.dumps(document), only_known=True).sampling_rate == 500


def test_an_unknown_field_of_a_message_is_ignored() -> None:
    """Newer producers work with older workers."""
    lead = {**LEAD, "unit": "mV"}
    message = {"id": "e", "username": "u", "patient": {"name": "?"}, "leads": [lead]}
    assert plain.decode(orjson.dumps(message)).leads[0].signal.tolist() == [1]
    packed_lead = {"name": "I", "dtype": "int8", "signal": b"\1", "unit": "mV"}
    assert packed.decode(msgspec.msgpack.encode({**message, "leads": [packed_lead]})).leads[0].signal.tolist() == [1]


@pytest.mark.parametrize(
    ("bomb", "reason"),
    [
        (b'{"leads":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "body: must not be nested more than 1024 deep"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "body: must not be nested more than 1024 deep"),
        (b'{"leads":[{"name":"I","signal":[' + b"9" * 1_000_000 + b"]}]}", "leads[0].signal: must"),
        (
            b'{"sampling_rate":' + b"9" * 50 + b',"leads":[{"name":"I","signal":[1]}]}',
            "sampling_rate: must be a number",
        ),
        (b'{"x":"' + b"9" * 50 + b'","leads":[{"name":"I","signal":[-' + b"9" * 19 + b"]}]}", "leads[0].signal: must"),
        (b'{"leads":[{"name":"I","signal":[1]}],"x":' + b"9" * 50 + b"}", "body: must hold integers of 64 bits"),
        (b'{"leads":[{"name":"I","signal":[' + b"9" * 50 + b",]}]}", "body: "),
        (b'{"leads":[{"name":"\xff","signal":[1]}]}', "body: must be UTF-8"),
        (b'{"leads":[{"name":"I","signal":[NaN]}]}', "body: malformed JSON: "),
        (b'{"leads":[{"name":"I","signal":[-Infinity]}]}', "body: malformed JSON: "),
        (
            b'{"leads":[' + b'{"name":"I","signal":[]},' * 9_999 + b'{"name":"I","signal":[]}]}',
            "leads: must hold 1 to 10",
        ),
        (b'{"leads":[{"name":"' + b"I" * (1 << 20) + b'","signal":[]}]}', "leads[0].name: must be 1 to 128"),
        (b"{" + b",".join(b'"%d":1' % i for i in range(1025)) + b"}", "body: must not have more than 1024 fields"),
    ],
    ids=range(13),
)
def test_a_bomb_is_refused_with_its_field_and_the_limit(bomb: bytes, reason: str) -> None:
    with pytest.raises(InvalidEcg) as caught:
        plain.decode_content(bomb)
    assert str(caught.value).startswith(reason)
    assert len(str(caught.value)) < LONGEST_REASON
    assert "999" not in str(caught.value).replace("9999", "")


def test_refused_names_are_not_cached() -> None:
    remembered = _is_lead_name.cache_info().currsize
    for number in range(10):
        with pytest.raises(InvalidEcg):
            check_lead_name(f"{number}" * 1000, "name")
    assert _is_lead_name.cache_info().currsize == remembered


@pytest.mark.parametrize("kind", PACKED_BOMBS)
def test_a_packed_bomb_is_refused_with_a_short_message(kind: str) -> None:
    with pytest.raises(InvalidEcg) as caught:
        packed.decode(PACKED_BOMBS[kind])
    assert len(str(caught.value)) < LONGEST_REASON
    assert caught.value.field in ("body", "leads[0].dtype", "leads[...].dtype")


def process(value: bytes, headers: list[tuple[str, bytes | None]], partition: int = 0) -> object:
    return processor(16 << 20).process(Record("t", partition, 0, b"e", value, headers, 0))


def test_a_header_may_be_null() -> None:
    value = orjson.dumps({"id": "e", "username": "u", "leads": [{"name": "I", "signal": [1]}]})
    partition = next(p for p in range(12) if isinstance(process(value, [], p), Stored))
    names = ("content-type", "username", "forwarded-from", "x-request-id")
    assert isinstance(process(value, [(name, None) for name in names], partition), Stored)


def test_a_message_too_large_to_be_forwarded_is_a_dead_letter() -> None:
    """The topic would not accept the forwarded message, and the partition would wait for ever."""
    value = orjson.dumps({"id": "e", "username": "u", "leads": [{"name": "I", "signal": [1]}]})
    elsewhere = next(p for p in range(12) if not isinstance(process(value, [], p), Stored))
    outcome = process(value.ljust(16 << 20), [("x", b"x" * (1 << 20))], elsewhere)
    assert isinstance(outcome, Rejected)
    assert outcome.reason.endswith("too large with its headers to be forwarded")
