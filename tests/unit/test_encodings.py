"""Both encodings: round trips, and an error that names the field for all malformed input."""

import contextlib
from typing import Any

import msgspec
import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import encoding
from shared.chunk import Chunk
from shared.ecg import Content, Ecg, Lead
from shared.encoding import packed, plain
from shared.errors import InvalidEcg, UnknownEncoding
from tests.unit.strategies import ecgs, same

# Invalid for three samples of which the last is not 0.
INVALID_RANGES: list[Any] = [
    *(0, "0", {}, [0], [[0]], [[0, 1, 1]], [[0.0, 1]], [[True, 1]], [[0, 0]], [[-1, 1]], [[3, 1]]),
    *([[1, 2]], [[0, 4]], [[1, 1], [0, 1]], [[0, 2], [1, 1]], [[0, 1]] * 4, [[0, 2**63]]),
]
GOOD = {"id": "e", "username": "u", "leads": [{"name": "I", "signal": [1]}]}


@given(ecgs)
def test_ecgs_round_trip_through_json(ecg: Ecg) -> None:
    assert same(plain.decode(plain.encode(ecg)), ecg)


@given(ecgs)
def test_ecgs_round_trip_through_packing(ecg: Ecg) -> None:
    assert same(packed.decode(packed.encode(ecg)), ecg)


@given(ecgs, st.sampled_from(["application/json", "Application/JSON; charset=utf-8", None]))
def test_the_content_type_selects_the_encoding(ecg: Ecg, content_type: str | None) -> None:
    assert same(encoding.decode(plain.encode(ecg), content_type), ecg)
    assert same(encoding.decode(packed.encode(ecg), packed.CONTENT_TYPE.upper()), ecg)


def test_an_unknown_content_type_is_named() -> None:
    with pytest.raises(UnknownEncoding, match=r"^content-type: "):
        encoding.decode(b"{}", "text/plain")


@given(st.binary(max_size=80))
def test_random_bytes_raise_invalid_ecg(value: bytes) -> None:
    for decode in (plain.decode, packed.decode):
        with pytest.raises(InvalidEcg):
            decode(value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["id", "username", "date", "leads", "name", "signal"]), inner, max_size=6)
        ),
        max_leaves=12,
    )
)
def test_any_json_decodes_or_raises_invalid_ecg(document: Any) -> None:
    for value in (document, {**GOOD, "leads": document}, {**GOOD, "leads": [{"name": "I", "signal": document}]}):
        with contextlib.suppress(InvalidEcg):
            plain.decode(msgspec.json.encode(value))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": None}, "id"),
        ({"id": 1}, "id"),
        ({"id": ""}, "id"),
        ({"id": "a b"}, "id"),
        ({"username": None}, "username"),
        ({"username": ""}, "username"),
        ({"username": "x" * 129}, "username"),
        ({"date": 1}, "date"),
        ({"date": "tomorrow"}, "date"),
        ({"leads": None}, "leads"),
        ({"leads": []}, "leads"),
        ({"leads": "I"}, "leads"),
        ({"leads": [{"name": "I", "signal": []}] * 1025}, "leads"),
        ({"leads": [None]}, "leads[0]"),
        ({"leads": [{"signal": []}]}, "leads[0].name"),
        ({"leads": [{"name": " ", "signal": []}]}, "leads[0].name"),
        ({"leads": [{"name": "x" * 129, "signal": []}]}, "leads[0].name"),
        ({"leads": [{"name": "a\nb", "signal": []}]}, "leads[0].name"),
        ({"leads": [{"name": 1, "signal": []}]}, "leads[0].name"),
        *(({"label": label}, "label") for label in ("", " ", 1, "x" * 201, "a\nb", ["x"])),
        *(({"sampling_rate": rate}, "sampling_rate") for rate in (0, -1, 1e6 + 1, 1e300, 10**18, True, "500", [500])),
        *(
            ({"leads": [{"name": "I", "signal": [1], "adc_gain": gain}]}, "leads[0].adc_gain")
            for gain in (0, -200, False, "200", [200])
        ),
        *(
            ({"leads": [{"name": "I", "signal": [0, 0, 5], "missing": ranges}]}, "leads[0].missing")
            for ranges in INVALID_RANGES
        ),
    ],
)
def test_a_broken_field_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidEcg) as caught:
        plain.decode(orjson.dumps({**GOOD, **change}))
    assert caught.value.field == field
    known = (None, None) if field == "id" else ("e", None if field == "username" else "u")
    assert (caught.value.ecg_id, caught.value.username) == known


@pytest.mark.parametrize(
    "signal",
    [
        *("null", "1", '"1"', "{}", "[1.5]", "[1.0]", "[1e3]", "[true]", "[null]", '["1"]', "[{}]"),
        *("[[1,2],[3]]", "[[1],[2]]", "[1,[2]]", "[[]]"),
        *("[9223372036854775808]", "[18446744073709551616]", "[-9223372036854775809]", "[-99999999999999999999999]"),
    ],
)
def test_a_signal_of_anything_but_64_bit_integers_is_named_and_not_echoed(signal: str) -> None:
    for extra in ("", ', "note": "[", "tags": [[1], []]'):
        document = f'{{"id": "e", "username": "u", "leads": [{{"name": "I", "signal": {signal}}}]{extra}}}'
        with pytest.raises(InvalidEcg, match=r"^leads\[0\]\.signal: must") as caught:
            plain.decode(document.encode())
        assert "999" not in str(caught.value)


def test_missing_samples_are_encoded_packed_and_as_json() -> None:
    lead = {"name": "I", "signal": [0, 0, 5, 0], "missing": [[0, 2], [3, 1]]}
    ecg = plain.decode(orjson.dumps({**GOOD, "leads": [lead, {**lead, "missing": None}, {**lead, "missing": []}]}))
    assert [lead.missing for lead in ecg.leads] == [((0, 2), (3, 1)), (), ()]
    assert same(packed.decode(packed.encode(ecg)), ecg)
    assert b"missing" not in packed.encode(plain.decode(orjson.dumps(GOOD)))


@pytest.mark.parametrize("ranges", [[[3, 1]], [[0, 0]], [[2, 1]], [[0, 2], [1, 1]]])
def test_a_wrong_range_of_a_packed_lead_is_named(ranges: list[list[int]]) -> None:
    lead = {"name": "I", "dtype": "int8", "signal": b"\0\0\5", "missing": ranges}
    with pytest.raises(InvalidEcg, match=r"^leads\[0\]\.missing: must be"):
        packed.decode(msgspec.msgpack.encode({"id": "e", "username": "u", "leads": [lead]}))


@pytest.mark.parametrize("count", ["0", "2", "-1", "1.0", "true", '"1"', "[1]"])
def test_a_wrong_number_of_samples_is_named(count: str) -> None:
    lead = f'{{"name": "I", "signal": [1], "number_of_samples": {count}}}'
    with pytest.raises(InvalidEcg, match=r"^leads\[0\]\.number_of_samples: must be the signal's length, 1$"):
        plain.decode(f'{{"id": "e", "username": "u", "leads": [{lead}]}}'.encode())


@pytest.mark.parametrize(
    "value",
    [b"", b"{", b"nul", b'{"a": NaN}', b'"\xff"', b"[" * 5000, b'{"id": "\\ud800"}', b'{"a": 1e999}', b"[]", b"1"],
)
def test_anything_but_a_json_object_is_refused(value: bytes) -> None:
    with pytest.raises(InvalidEcg, match=r"^body: "):
        plain.decode(value)


def test_the_refusal_of_nan_says_how_to_send_a_missing_sample() -> None:
    with pytest.raises(InvalidEcg, match=r"^body: malformed JSON: NaN is not JSON: send 0 for a missing sample"):
        plain.decode(b'{"id": "e", "username": "u", "leads": [{"name": "I", "signal": [1, NaN]}]}')


def test_unknown_fields_brackets_and_repeated_names_are_fine() -> None:
    lead = {"name": "II", "signal": [1, 2], "tags": [[]], "unit": "[mV]"}
    ecg = plain.decode(orjson.dumps({**GOOD, "leads": [lead, lead], "extra": [[1], "["]}))
    assert [(found.name, found.signal.tolist()) for found in ecg.leads] == [("II", [1, 2])] * 2


@pytest.mark.parametrize(
    ("sample", "dtype"), [(0, "i1"), (-128, "i1"), (128, "i2"), (-32769, "i4"), (2**31 - 1, "i4"), (2**31, "i8")]
)
def test_samples_take_the_smallest_width(sample: int, dtype: str) -> None:
    ecg = plain.decode(orjson.dumps({**GOOD, "leads": [{"name": "I", "signal": [0, sample]}]}))
    assert ecg.leads[0].signal.dtype == np.dtype(f"<{dtype}")


def pack(**change: Any) -> bytes:
    lead = {"name": "I", "dtype": "int16", "signal": b"\x01\x00\xff\xff"}
    return msgspec.msgpack.encode({"id": "e", "username": "u", "leads": [lead], **change})


def test_the_packed_layout_is_as_documented() -> None:
    ecg = packed.decode(pack())
    assert (ecg.id, ecg.username, ecg.date) == ("e", "u", None)
    assert ecg.leads[0].signal.tolist() == [1, -1]


def test_unknown_values_are_omitted_from_messages() -> None:
    """These bytes must never change, because ids of submissions with an idempotency key are derived from them."""
    ecg = packed.decode(pack())
    packed_lead = {"name": "I", "dtype": "int16", "signal": b"\x01\x00\xff\xff"}
    layout = {"id": "e", "username": "u", "leads": [packed_lead], "date": None}
    assert packed.encode(ecg) == msgspec.msgpack.encode(layout)
    lead = {"name": "I", "number_of_samples": 2, "signal": [1, -1]}
    assert plain.encode(ecg) == orjson.dumps({"id": "e", "username": "u", "date": None, "leads": [lead]})


@pytest.mark.parametrize("rate", [500, 500.0])
def test_an_integer_and_an_equal_float_are_encoded_alike(rate: float) -> None:
    lead = {"name": "I", "signal": [1], "adc_gain": int(rate)}
    one = plain.decode(orjson.dumps({**GOOD, "sampling_rate": rate, "leads": [lead]}))
    other = plain.decode(orjson.dumps({**GOOD, "sampling_rate": 500.0, "leads": [{**lead, "adc_gain": 500.0}]}))
    assert packed.encode(one) == packed.encode(other)
    assert (one.sampling_rate, one.leads[0].adc_gain) == (500.0, 500.0)


def test_null_is_unknown_in_both_encodings() -> None:
    lead = {"name": "I", "dtype": "int16", "signal": b"\x01\x00\xff\xff", "adc_gain": None}
    assert same(packed.decode(pack(leads=[lead], sampling_rate=None)), packed.decode(pack()))
    document = {**GOOD, "sampling_rate": None, "leads": [{"name": "I", "signal": [1], "adc_gain": None}]}
    assert same(plain.decode(orjson.dumps(document)), plain.decode(orjson.dumps(GOOD)))


def test_packed_signals_are_read_only_views_of_the_message() -> None:
    value = pack()
    signal = packed.decode(value).leads[0].signal
    assert np.shares_memory(signal, np.frombuffer(value, np.uint8))
    assert not signal.flags.writeable


def test_big_endian_and_strided_signals_are_packed_right() -> None:
    leads = (Lead("I", np.array([1, -2, 3], ">i4")), Lead("II", np.arange(10, dtype=np.int16)[::3]))
    ecg = packed.decode(packed.encode(Ecg("e", "u", None, leads)))
    assert [lead.signal.tolist() for lead in ecg.leads] == [[1, -2, 3], [0, 3, 6, 9]]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": 1}, "id"),
        ({"id": ""}, "id"),
        ({"username": ""}, "username"),
        ({"date": "x"}, "date"),
        ({"leads": []}, "leads"),
        ({"leads": [{"name": "I", "dtype": "float64", "signal": b""}]}, "leads[0].dtype"),
        ({"leads": [{"name": "I", "dtype": "int16", "signal": b"\0\0\0"}]}, "leads[0].signal"),
        ({"leads": [{"name": "", "dtype": "int16", "signal": b""}]}, "leads[0].name"),
        ({"leads": [{"name": "I", "dtype": "int16"}]}, "leads[0]"),
        *(({"label": label}, "label") for label in ("", " ", 1, "x" * 201, "a\nb", ["x"])),
        *(({"sampling_rate": rate}, "sampling_rate") for rate in (0, -1, 1e7, float("nan"), float("inf"), True, "500")),
        *(
            ({"leads": [{"name": "I", "dtype": "int16", "signal": b"", "adc_gain": gain}]}, "leads[0].adc_gain")
            for gain in (0, -200, float("nan"), float("inf"), "200")
        ),
    ],
)
def test_a_broken_packed_field_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidEcg) as caught:
        packed.decode(pack(**change))
    assert caught.value.field == field


def test_a_packed_message_cut_anywhere_is_refused() -> None:
    value = pack()
    for length in range(len(value)):
        with pytest.raises(InvalidEcg):
            packed.decode(value[:length])


@pytest.mark.parametrize("encoding", [plain, packed], ids=["plain", "packed"])
def test_the_end_of_a_recording_is_read_back_without_leads(encoding: Any) -> None:
    end = Chunk.begun("rec-1", "clinic", Content(None, ()), 500, end=True)
    assert encoding.decode_chunk(encoding.encode_chunk(end)) == end


@pytest.mark.parametrize("rate", [None, 500.0])
@pytest.mark.parametrize("sizes", [(1,), (0, 3)])
@pytest.mark.parametrize("encoding", [packed, plain])
def test_the_end_of_a_recording_with_samples_is_refused(
    encoding: Any, sizes: tuple[int, ...], rate: float | None
) -> None:
    leads = tuple(Lead(f"V{i}", np.ones(size, np.int16)) for i, size in enumerate(sizes))
    end = Chunk("r", "u", None, leads, rate, end=True)
    with pytest.raises(InvalidEcg, match="leads: must hold no samples in the end of a recording: send them") as refusal:
        encoding.decode_chunk(encoding.encode_chunk(end))
    assert (refusal.value.ecg_id, refusal.value.username) == ("r", "u")
