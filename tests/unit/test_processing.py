"""The outcomes of processing a record, as a pure function of its bytes and of the existing row."""

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.data_keys import DataKeys
from shared.ecg import MAX_LEAD_NAME, MAX_LEADS, MAX_USERNAME, Ecg, Lead
from shared.encoding import packed
from shared.kafka.clients import message_size, partition_for
from shared.kafka.topics import Topics
from shared.messages import insights as insights_message
from shared.messages import recomputations, recordings
from shared.messages.erasures import CONTENT_TYPE, Erasure, Erasures
from shared.messages.recomputations import CONTENT_TYPE as RECOMPUTATION
from shared.security.ids import IdIssuer
from shared.settings import Settings
from stream_agents.insights import INSIGHTS
from stream_agents.insights.computation import compute
from stream_agents.insights.contract import Insight
from stream_agents.insights.quality import LeadQuality
from stream_agents.insights.recording import Recording
from stream_agents.processing.batch_processor import BatchProcessor, parts
from stream_agents.processing.dead_letter import dead_letter
from stream_agents.processing.decoder import Decoder
from stream_agents.processing.ecg_processor import EcgProcessor
from stream_agents.processing.outcomes import Erased, Ignored, Misplaced, Outcome, Rejected, Stored, UserErased
from stream_agents.processing.processor import Common, FindRow
from stream_agents.processing.record import Headers, Record

SECRET = "a secret of at least thirty-two characters"
ISSUER = IdIssuer(SECRET)
ERASURES = Erasures(SECRET)
SETTINGS = Settings.model_validate({"secret": SECRET})
KEYS = DataKeys(SETTINGS, Topics(SETTINGS))
ZERO_CROSSINGS = INSIGHTS["number_of_zero_crossings"]
RHYTHM = INSIGHTS["rhythm"]
rows: dict[bytes, bytes] = {}


@pytest.fixture(autouse=True)
def _no_rows() -> None:
    rows.clear()


def common(find_row: FindRow) -> Common:
    decoder = Decoder(ISSUER, KEYS, 1000)
    return Common(
        issuer=ISSUER,
        erasures=ERASURES,
        keys=KEYS,
        decoder=decoder,
        partitions=12,
        max_bytes=1000,
        find_row=find_row,
    )


def process(
    value: bytes | None,
    key: bytes | None = b"e",
    *,
    at: int | None = None,
    offset: int = 7,
    timestamp: int = 1000,
    insights: Sequence[Insight] = tuple(INSIGHTS.values()),
    **headers: bytes,
) -> Outcome:
    processor = EcgProcessor(insights, common(lambda _, key: rows.get(key)))
    partition = partition_for(key or b"", 12) if at is None else at
    named: Headers = [(name.replace("_", "-"), header) for name, header in headers.items()]
    return processor.process(Record("t", partition, offset, key, value, named, timestamp))


def message(ecg_id: str = "e", username: str = "u", signal: object = (1, -1)) -> bytes:
    return orjson.dumps({"id": ecg_id, "username": username, "leads": [{"name": "I", "signal": signal}]})


def row_of(outcome: Outcome) -> insights_message.Insights:
    result = outcome.stored if isinstance(outcome, Rejected) else outcome
    assert isinstance(result, Stored)
    return insights_message.decode(result.row)


def test_a_good_record_of_either_encoding_becomes_its_insights() -> None:
    ecg = Ecg("e", "u", None, (Lead("I", np.array([1, -1])),))
    expected = insights_message.Insights(
        "e",
        "u",
        [{"name": "I", "number_of_zero_crossings": 1}],
        number_of_samples=[2],
        accepted=1000,
        offset=7,
        versions={"number_of_zero_crossings": 1},
    )
    assert row_of(process(message())) == expected
    assert row_of(process(packed.encode(ecg), content_type=packed.CONTENT_TYPE.encode())) == expected


def test_the_label_in_a_row_is_sealed_if_the_submission_was() -> None:
    document = orjson.loads(message()) | {"label": "rest.edf"}
    assert row_of(process(orjson.dumps(document))).label == "rest.edf"
    key_id, record = KEYS.new("u", datetime(2026, 1, 1, tzinfo=UTC))
    KEYS._apply(key_id, record)
    sealed = process(KEYS.seal(key_id, "e", orjson.dumps(document)), data_key=key_id.encode())
    assert isinstance(sealed, Stored)
    assert b"rest" not in sealed.row
    row = row_of(sealed)
    assert (row.label, row.label_key) == (None, key_id)
    assert KEYS.open_label(key_id, "e", row.sealed_label) == "rest.edf"
    KEYS._apply(key_id, None)


def test_a_record_in_another_partition_or_under_another_key_is_forwarded_once() -> None:
    home = partition_for(b"e", 12)
    assert process(message(), at=(home + 1) % 12) == Misplaced(b"e")
    assert process(message(), key=None) == Misplaced(b"e")
    assert process(message(), key=b"other") == Misplaced(b"e")
    again = process(message(), key=b"other", forwarded_from=b"t-1-2")
    assert isinstance(again, Rejected)
    assert again.error_class == "Misplaced"


def test_a_broken_record_is_forwarded_too_so_that_its_owner_finds_the_reason() -> None:
    assert process(message(signal="x"), key=None) == Misplaced(b"e")


@pytest.mark.parametrize(
    ("value", "error_class", "field"),
    [
        (None, "InvalidEcg", "value"),
        (b" " * 1001, "InvalidEcg", "value"),
        (b"\xff", "InvalidEcg", "body"),
        (b'{"username": "u"}', "InvalidEcg", "id"),
        (b'{"id": "e"}', "InvalidEcg", "username"),
    ],
)
def test_a_record_without_id_or_owner_is_rejected_without_a_row(
    value: bytes | None, error_class: str, field: str
) -> None:
    outcome = process(value)
    assert isinstance(outcome, Rejected)
    assert (outcome.error_class, outcome.stored) == (error_class, None)
    assert outcome.reason.startswith(f"{field}: ")


def test_a_broken_record_tells_its_owner_why() -> None:
    outcome = process(message(signal=[77777777, 0.5]))
    assert isinstance(outcome, Rejected)
    error = "leads[0].signal: must hold integers only: multiply fractions, and send adc_gain"
    assert row_of(outcome) == insights_message.Insights("e", "u", error=error, accepted=1000, offset=7)
    assert "77777777" not in outcome.reason


class Panic(BaseException):
    """Not an Exception, like the panic of an extension in Rust."""


def wild(compute: Callable[[Recording], Any], name: str = "wild") -> Insight:
    return Insight(name=name, version=3, scope="lead", result=Any, compute=compute)


def fail(error: BaseException) -> Any:
    raise error


@pytest.mark.parametrize("error", [ArithmeticError("cannot do 77777777"), Panic("77777777")])
def test_an_ecg_without_any_insight_because_they_raise_is_rejected(error: BaseException) -> None:
    outcome = process(message(signal=[77777777]), insights=[wild(lambda _: fail(error))])
    assert isinstance(outcome, Rejected)
    assert outcome.error_class == "ComputationError"
    assert outcome.reason == f"leads: an insight could not be computed ({type(error).__name__})"
    assert row_of(outcome).error == outcome.reason


def test_an_ecg_without_insights_keeps_its_label() -> None:
    labelled = orjson.dumps(orjson.loads(message()) | {"label": "rest.edf"})
    outcome = process(labelled, insights=[wild(lambda _: fail(ArithmeticError()))])
    assert isinstance(outcome, Rejected)
    assert (row_of(outcome).label, row_of(outcome).leads) == ("rest.edf", [])
    assert "rest.edf" not in outcome.reason


def test_an_insight_that_raises_leaves_the_others_alone() -> None:
    outcome = process(
        message(signal=[77777777, -1]), insights=[wild(lambda _: fail(Panic("77777777"))), ZERO_CROSSINGS]
    )
    assert isinstance(outcome, Stored)
    assert outcome.failures == {"wild": "Panic"}
    row = row_of(outcome)
    assert row.leads == [{"name": "I", "number_of_zero_crossings": 1}]
    assert row.not_computed == {"wild": "failed (Panic)"}
    assert row.versions == {"wild": 3, "number_of_zero_crossings": 1}
    assert b"77777777" not in outcome.row


def test_an_interrupt_is_no_failure_of_an_insight() -> None:
    with pytest.raises(KeyboardInterrupt):
        process(message(), insights=[wild(lambda _: fail(KeyboardInterrupt()))])


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([np.int64(3)], 3),
        (np.array([0.5]), 0.5),
        ([np.array([[1, np.nan], [-np.inf, 2]])], [[1.0, None], [None, 2.0]]),
        ([np.arange(6)[::2]], [0, 2, 4]),
        ([{"at": (np.int16(7), np.bool_(True), math.inf)}], {"at": [7, True, None]}),
        (
            [LeadQuality(usable=True, missing_fraction=np.float64(0.5), flat_fraction=math.nan, saturated_fraction=0)],
            {"usable": True, "missing_fraction": 0.5, "flat_fraction": None, "saturated_fraction": 0},
        ),
    ],
)
def test_numpy_values_become_json(values: Any, told: object) -> None:
    assert row_of(process(message(), insights=[wild(lambda _: values)])).leads == [{"name": "I", "wild": told}]


@pytest.mark.parametrize(
    "values",
    [None, [], [1, 2], [object()], [1j], [2**64], [b"77777777"], [{77777777}], [{77777777: 1}], ["77777777\ud800"]],
)
def test_an_insight_that_json_cannot_hold_leaves_the_others_alone(values: Any) -> None:
    outcome = process(message(), insights=[ZERO_CROSSINGS, wild(lambda _: values)])
    row = row_of(outcome)
    assert row.leads == [{"name": "I", "number_of_zero_crossings": 1}]
    assert row.not_computed["wild"].startswith("failed (")
    assert "77777777" not in str(row)


LARGE = [["x" * insights_message.MAX_BYTES], [np.zeros(insights_message.MAX_BYTES // 2)]]


@pytest.mark.parametrize("values", LARGE)
def test_an_insight_too_large_for_the_row_leaves_the_others_alone(values: Any) -> None:
    row = row_of(process(message(), insights=[ZERO_CROSSINGS, wild(lambda _: values)]))
    assert row.leads == [{"name": "I", "number_of_zero_crossings": 1}]
    assert row.not_computed == {"wild": f"the row would be larger than {insights_message.MAX_BYTES} bytes"}


@pytest.mark.parametrize("values", LARGE)
def test_a_row_too_large_for_its_topic_rejects_its_ecg(values: Any) -> None:
    outcome = process(message(), insights=[wild(lambda _: values)])
    assert isinstance(outcome, Rejected)
    assert outcome.error_class == "RowTooLarge"
    assert row_of(outcome).error == f"leads: their insights are larger than {insights_message.MAX_BYTES} bytes"


def test_the_most_leads_with_the_longest_names_leave_room_for_insights() -> None:
    """The largest key must leave room for the row in the message."""
    leads = tuple(Lead("\N{MUSICAL SYMBOL G CLEF}" * MAX_LEAD_NAME, np.array([1, -1])) for _ in range(MAX_LEADS))
    ecg = Ecg("e" * 128, "\N{MUSICAL SYMBOL G CLEF}" * MAX_USERNAME, None, leads)
    computed = compute(ecg, [wild(lambda recording: ["x" * 400] * len(recording.leads))])
    row = insights_message.encode(
        insights_message.Insights(ecg.id, ecg.username, computed.leads, number_of_samples=[2**24] * MAX_LEADS)
    )
    assert message_size(ecg.id.encode(), row) <= insights_message.MAX_MESSAGE_BYTES
    assert message_size(ecg.id.encode(), b" " * insights_message.MAX_BYTES) <= insights_message.MAX_MESSAGE_BYTES
    assert int(Topics(SETTINGS).insights.config["max.message.bytes"]) == insights_message.MAX_MESSAGE_BYTES


def test_a_dead_letter_holds_the_record_unless_it_is_too_large() -> None:
    record = Record("t", 3, 17, b"k", None, [("trace", None)], 1000)
    said = [
        ("dlq-source-topic", b"t"),
        ("dlq-source-partition", b"3"),
        ("dlq-source-offset", b"17"),
        ("dlq-error-class", b"InvalidEcg"),
        ("dlq-error-message", b"value: is empty"),
    ]
    rejected = Rejected("InvalidEcg", "value: is empty")
    whole = (b"k", None, [("trace", None), *said])
    size = message_size(*whole)
    assert dead_letter(record, rejected, size) == whole
    left_out = ("dlq-left-out-bytes", str(message_size(b"k", None, record.headers)).encode())
    assert dead_letter(record, rejected, size - 1) == (None, b"", [*said, left_out])
    assert dead_letter(msgspec.structs.replace(record, key=None), rejected, size) == (None, b"", whole[2])


def test_an_id_that_was_issued_to_another_user_is_refused() -> None:
    ecg_id = ISSUER.issue("owner")
    outcome = process(message(ecg_id, "thief"), ecg_id.encode())
    assert outcome == Rejected("IdTaken", "id: belongs to another user")
    assert isinstance(process(message(ecg_id, "owner"), ecg_id.encode()), Stored)


@pytest.mark.parametrize("signal", [[1], "broken"])
def test_an_id_that_another_user_used_first_is_refused(signal: object) -> None:
    rows[b"e"] = insights_message.encode(insights_message.Insights("e", "owner"))
    assert process(message(username="thief", signal=signal)) == Rejected("IdTaken", "id: belongs to another user")
    assert isinstance(process(message(username="owner")), Stored)


def test_a_failure_never_replaces_insights_and_insights_replace_a_failure() -> None:
    rows[b"e"] = insights_message.encode(insights_message.Insights("e", "u", [{"name": "I"}]))
    outcome = process(message(signal="broken"))
    assert isinstance(outcome, Rejected)
    assert outcome.stored is None
    rows[b"e"] = insights_message.encode(insights_message.Insights("e", "u", error="body: broken"))
    assert isinstance(process(message()), Stored)


@pytest.mark.parametrize("first", [message(), message(signal="broken")], ids=["processed", "failed"])
def test_a_repeated_ecg_keeps_its_place_and_gets_the_latest_offset(first: bytes) -> None:
    before = process(first)
    stored = before.stored if isinstance(before, Rejected) else before
    assert isinstance(stored, Stored)
    rows[b"e"] = stored.row
    again = process(message(), offset=9, timestamp=5000)
    assert isinstance(again, Stored)
    assert again.position == stored.position
    assert (row_of(again).accepted, row_of(again).offset) == (1000, 9)


@pytest.mark.parametrize(("timestamp", "accepted"), [(-1, 0), (2**63 - 1, insights_message.MAX_ACCEPTED)])
def test_a_timestamp_out_of_range_is_clamped(timestamp: int, accepted: int) -> None:
    assert row_of(process(message(), timestamp=timestamp)).accepted == accepted


def test_the_owner_learns_of_an_unreadable_message_of_a_gateway() -> None:
    key = ISSUER.issue("u").encode()
    for value in (b"?", b" " * 1001):
        outcome = process(value, key, content_type=b"application/vnd.ecg.v9", username=b"u")
        assert row_of(outcome).username == "u"
    assert isinstance(forged := process(b"?", key, username=b"thief"), Rejected)
    assert forged.stored is None


@given(
    st.none() | st.binary(max_size=40) | st.just(message()),
    st.none() | st.binary(max_size=20) | st.just(b"e"),
    st.integers(0, 11),
    st.lists(
        st.tuples(
            st.sampled_from(["content-type", "username", "forwarded-from", "data-key", "x"]),
            st.none()
            | st.binary(max_size=10)
            | st.integers().map(lambda number: str(number).encode())
            | st.just(CONTENT_TYPE.encode()),
        )
    ),
    st.integers(-(2**63), 2**63 - 1),
)
def test_processing_never_raises(
    value: bytes | None, key: bytes | None, partition: int, headers: Headers, timestamp: int
) -> None:
    processor = EcgProcessor(tuple(INSIGHTS.values()), common(lambda *_: None))
    outcome = processor.process(Record("t", partition, 0, key, value, headers, timestamp))
    assert isinstance(outcome, Stored | Misplaced | Rejected)


def recompute(value: bytes | None = None, *, offset: int = 7, **headers: bytes) -> Outcome:
    """Return the outcome of a record that was read again to compute its insights anew."""
    processor = EcgProcessor(tuple(INSIGHTS.values()), common(lambda _, key: rows.get(key)))
    named: Headers = [(name.replace("_", "-"), header) for name, header in headers.items()]
    partition = partition_for(b"e", 12)
    return processor.process(Record("t", partition, offset, b"e", value or message(), named, 99, recomputes=True))


def old_row(**fields: Any) -> insights_message.Insights:
    row = insights_message.Insights("e", "u", [{"name": "I"}], accepted=1000, offset=7)
    rows[b"e"] = insights_message.encode(row := msgspec.structs.replace(row, **fields))
    return row


def test_insights_are_computed_again_in_the_same_place() -> None:
    old_row()
    row = row_of(recompute())
    assert row.leads == [{"name": "I", "number_of_zero_crossings": 1}]
    assert row.versions == {"number_of_zero_crossings": 1}
    assert (row.accepted, row.offset, row.number_of_samples) == (1000, 7, [2])


@pytest.mark.parametrize(
    "instead", [{"offset": 9}, {"username": "other"}, {"erased": True, "username": "", "leads": []}], ids=str
)
def test_an_ecg_that_was_erased_or_submitted_again_meanwhile_stays_as_it_is(instead: dict[str, Any]) -> None:
    old_row(**instead)
    assert recompute() == Ignored()
    rows.clear()
    assert recompute() == Ignored()


def test_a_submission_that_cannot_be_read_any_more_leaves_the_row_as_it_is() -> None:
    old_row()
    assert recompute(b"?") == Ignored()
    assert recompute(b"sealed", data_key=b"0" * 32, username=b"u") == Ignored()
    assert recompute(message(signal="broken")) == Ignored()


CHOSEN = (ZERO_CROSSINGS, INSIGHTS["rhythm"])


def batch(stored: dict[bytes, bytes] | None = None, chosen: Sequence[Insight] = CHOSEN) -> BatchProcessor:
    found = rows if stored is None else stored
    return BatchProcessor(SETTINGS, Topics(SETTINGS), KEYS, lambda _, key: found.get(key), chosen)


def recomputation(value: bytes, key: bytes = b"e") -> Record:
    return Record("t", 0, 20, key, value, [("content-type", RECOMPUTATION.encode())], 1000)


def asked(ecg_id: str = "e", offset: int = 7) -> bytes:
    return recomputations.encode(recomputations.Recomputation(ecg_id, offset))


@pytest.mark.parametrize(
    ("fields", "outdated"),
    [
        ({}, True),
        ({"versions": {"number_of_zero_crossings": 1}}, False),
        ({"versions": {"number_of_zero_crossings": 0}}, True),
        ({"versions": {"number_of_zero_crossings": 1}, "sampling_rate": 500.0}, True),
        ({"versions": {"number_of_zero_crossings": 1, "rhythm": RHYTHM.version}, "sampling_rate": 500.0}, False),
        ({"versions": {"number_of_zero_crossings": 2, "rhythm": 9}, "sampling_rate": 500.0}, False),
        ({"offset": 8}, False),
        ({"erased": True, "username": "", "leads": []}, False),
        ({"error": "leads: broken", "leads": []}, False),
    ],
    ids=str,
)
def test_only_a_row_of_older_versions_is_computed_again(fields: dict[str, Any], outdated: bool) -> None:
    old_row(**fields)
    assert recomputation(asked()).is_recomputation
    assert batch().outdated_at(recomputation(asked())) == (7 if outdated else None)


@pytest.mark.parametrize(
    "record",
    [recomputation(b""), recomputation(b"{}"), recomputation(asked("f")), recomputation(asked("f"), b"f")],
    ids=str,
)
def test_a_recomputation_of_nothing_changes_nothing(record: Record) -> None:
    old_row()
    assert batch().outdated_at(record) is None


def test_without_insights_no_row_is_outdated() -> None:
    row = b'{"ecg_id":"e","username":"u","offset":7,"sampling_rate":500.0}'
    assert recomputations.outdated_at(row, {"rhythm": (1, True)}) == 7
    assert recomputations.outdated_at(row, {}) is None


@pytest.mark.parametrize(
    "row",
    [
        insights_message.encode(
            insights_message.Insights("r", "u", offset=7, sampling_rate=500.0, recording=recordings.Progress())
        ),
        recordings.encode_place(recordings.ChunkPlace(first=0, count=500, offset=7, begin=0)),
    ],
    ids=["recording", "chunk"],
)
def test_no_row_of_a_recording_is_outdated(row: bytes) -> None:
    assert recomputations.outdated_at(row, {"rhythm": (1, True)}) is None


def test_erasures_and_recomputations_are_handled_alone() -> None:
    partition = partition_for(b"e", 12)
    plain = Record("t", partition, 1, b"e", message(), [], 1000)
    again = recomputation(asked())
    assert list(parts([plain, plain, again, again, plain])) == [[plain, plain], [again], [again], [plain]]


def test_a_batch_sees_the_rows_of_its_earlier_records() -> None:
    partition = partition_for(b"e", 12)
    records = [
        Record("t", partition, offset, b"e", message(username=name), [], 1000) for offset, name in enumerate("uvu")
    ]
    one = batch({})
    outcomes = [outcome for _, outcome in one.process(records, one.stored_rows(records)).outcomes]
    assert [type(outcome) for outcome in outcomes] == [Stored, Rejected, Stored]
    rows[b"e"] = insights_message.encode(insights_message.Insights("e", "owner"))
    two = batch()
    outcomes = [outcome for _, outcome in two.process(records, two.stored_rows(records)).outcomes]
    assert [type(outcome) for outcome in outcomes] == [Rejected] * 3


def short_and_long() -> list[Record]:
    """Return records of ECGs of many lengths, with broken ones among them."""
    rng = np.random.default_rng(1)
    values: list[bytes | None] = []
    for number, size in enumerate([500, 500, 0, 1, 5000, 500, 40_000, 500, 3, 500]):
        widths = ("<i1", "<i2", "<i8") if number % 2 else ("<i2", "<i2", "<i2")
        leads = tuple(Lead(width, rng.integers(-100, 100, size).astype(width)) for width in widths)
        values.append(packed.encode(Ecg(f"e{number}", "u", None, leads)))
    values[5:5] = [None, b"broken", values[0]]
    header = ("content-type", packed.CONTENT_TYPE.encode())
    keys = [f"e{number}".encode() for number in (0, 1, 2, 3, 4, 20, 21, 0, 5, 6, 7, 8, 9)]
    return [
        Record("t", partition_for(key, 12), offset, key, value, [header], 1000)
        for offset, (key, value) in enumerate(zip(keys, values, strict=True))
    ]


def together(
    compute_many: Callable[[Sequence[Recording]], Sequence[Any]] | None,
    compute: Callable[[Recording], Any] | None = None,
) -> list[Outcome]:
    """Return the outcomes of a batch with an insight that is computed together, and with zero crossings."""
    changed = msgspec.structs.replace(wild(compute or ZERO_CROSSINGS.compute), compute_many=compute_many)
    records = short_and_long()
    return [outcome for _, outcome in batch({}, (changed, ZERO_CROSSINGS)).process(records, {}).outcomes]


def test_records_of_a_batch_have_the_outcomes_that_they_have_alone() -> None:
    records, one = short_and_long(), batch({})
    outcomes = one.process(records, {}).outcomes
    alone = [batch({}).process([record], {}).outcomes[0] for record in records]
    assert outcomes == alone
    assert [type(outcome) for _, outcome in outcomes].count(Stored) == 11


def test_short_ecgs_are_computed_together_and_long_ones_alone() -> None:
    asked: list[list[int]] = []

    def counted(recordings: Sequence[Recording]) -> list[Any]:
        asked.append([recording.length for recording in recordings])
        return [ZERO_CROSSINGS.compute(recording) for recording in recordings]

    assert together(counted) == together(None)
    assert asked == [[500, 500, 0, 1, 5000, 500, 500], [500, 3, 500]]


@pytest.mark.parametrize(
    "compute_many",
    [
        lambda _: fail(Panic("77777777")),
        lambda recordings: [[]] * (len(recordings) - 1),
        lambda recordings: [[]] * (len(recordings) + 1),
        lambda _: None,
    ],
)
def test_an_insight_that_fails_for_ecgs_together_is_computed_for_each_alone(compute_many: Any) -> None:
    assert together(compute_many) == together(None)


def test_an_ecg_for_which_an_insight_fails_does_not_harm_those_beside_it() -> None:
    def compute(recording: Recording) -> list[int]:
        return fail(Panic("77777777")) if recording.length == 1 else [0] * len(recording.leads)

    outcomes = together(lambda recordings: [compute(recording) for recording in recordings], compute)
    assert [outcome.failures for outcome in outcomes if isinstance(outcome, Stored)].count({"wild": "Panic"}) == 1
    assert outcomes == together(None, compute)


def erase(username: str = "u", ecg_id: str | None = "e", *, offset: int = 8, at: int | None = None) -> Outcome:
    value = ERASURES.seal(Erasure(username, ecg_id))
    return process(value, (ecg_id or username).encode(), offset=offset, at=at, content_type=CONTENT_TYPE.encode())


def keep(outcome: Outcome) -> insights_message.Insights:
    """Put the outcome's row into the table, and return it."""
    assert isinstance(outcome, Stored | Erased)
    rows[outcome.key] = outcome.row
    return insights_message.decode(outcome.row)


def test_an_erasure_leaves_the_id_and_nothing_else() -> None:
    stored = process(message())
    keep(stored)
    erased = erase()
    assert isinstance(erased, Erased)
    assert isinstance(stored, Stored)
    assert (erased.username, erased.position) == (stored.username, stored.position)
    assert keep(erased) == insights_message.Insights("e", "", offset=8, erased=True)


def test_a_redelivered_record_from_before_an_erasure_is_ignored() -> None:
    keep(process(message()))
    keep(erase())
    assert process(message(), offset=7) == Ignored()
    assert process(message(signal=[0.5]), offset=7) == Ignored()
    assert keep(process(message(), offset=9, timestamp=5)).accepted == 5
    assert erase(offset=8) == Ignored()


def test_an_erasure_concerns_its_users_ecg_only() -> None:
    assert erase() == Ignored()
    keep(process(message(username="other")))
    assert erase() == Ignored()
    issued = ISSUER.issue("u")
    assert isinstance(erase(ecg_id=issued), Erased)
    assert erase(ecg_id=ISSUER.issue("other")) == Ignored()
    assert erase(ecg_id=None, at=3) == UserErased("u")


def test_an_erasure_that_no_gateway_sealed_is_a_dead_letter() -> None:
    value = Erasures("another secret of thirty-two letters").seal(Erasure("u", "e"))
    for forged in (value, value[:-1], b"{}", None):
        outcome = process(forged, content_type=CONTENT_TYPE.encode())
        assert isinstance(outcome, Rejected)
        assert (outcome.error_class, outcome.stored) == ("NotSealed", None)


def test_a_message_with_a_destroyed_key_is_a_dead_letter_and_erased() -> None:
    issued = ISSUER.issue("u")
    outcome = process(b"sealed", issued.encode(), data_key=b"0" * 32, username=b"u")
    assert isinstance(outcome, Rejected)
    assert outcome.error_class == "KeyDestroyed"
    assert isinstance(outcome.stored, Erased)
    # Any producer can name a key that does not exist, so such a message must not erase an existing row.
    for row in (
        insights_message.Insights(issued, "u", [{"name": "I"}]),
        insights_message.erased(insights_message.Insights(issued, "u"), 9),
    ):
        rows[issued.encode()] = insights_message.encode(row)
        again = process(b"sealed", issued.encode(), data_key=b"0" * 32, username=b"u")
        assert again == Rejected(outcome.error_class, outcome.reason)
    foreign = process(b"sealed", b"e", data_key=b"0" * 32, username=b"u")
    assert isinstance(foreign, Rejected)
    assert foreign.stored is None
