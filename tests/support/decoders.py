"""All decoders of untrusted input, each wrapped in a check that it raises no error but the documented one.

The property tests and the fuzzer call the same functions.
"""

from collections.abc import Callable
from contextlib import suppress

from ingest_api.http import prefer_header
from ingest_api.kafka.offset_cursor import OffsetCursors
from ingest_api.queries.list_cursor import ListCursors
from ingest_api.users import tokens
from shared import encoding
from shared.data_keys import DataKeys
from shared.encoding import packed, plain
from shared.errors import InvalidEcg
from shared.kafka.topic import Topic
from shared.kafka.topics import Topics
from shared.logging_setup import valid_request_id
from shared.messages.erasures import Erasures
from shared.security.ids import IdIssuer
from shared.settings import Settings
from stream_agents.insights import INSIGHTS
from stream_agents.processing.decoder import Decoder
from stream_agents.processing.ecg_processor import EcgProcessor
from stream_agents.processing.outcomes import Misplaced, Rejected, Stored
from stream_agents.processing.processor import Common
from stream_agents.processing.record import Record

SECRET = "a secret of at least thirty-two characters"
LONGEST_REASON = 1000

ISSUER = IdIssuer(SECRET)
CURSORS = ListCursors(SECRET)
_SETTINGS = Settings.model_validate({"secret": SECRET})
POSITIONS = OffsetCursors(_SETTINGS, Topic("insights", 12), 12)
_KEYS = DataKeys(_SETTINGS, Topics(_SETTINGS))
_HEADERS = ("content-type", "username", "forwarded-from", "x-request-id", "traceparent")


def processor(max_bytes: int) -> EcgProcessor:
    """Return a processor of records, with an empty table."""
    common = Common(
        issuer=ISSUER,
        erasures=Erasures(SECRET),
        keys=_KEYS,
        decoder=Decoder(ISSUER, _KEYS, max_bytes),
        partitions=12,
        max_bytes=max_bytes,
        find_row=lambda *_: None,
    )
    return EcgProcessor(tuple(INSIGHTS.values()), common)


def submission(data: bytes) -> None:
    """Decode the JSON body of a submission."""
    _refused_in_one_way(lambda: plain.decode_content(data, only_known=True))


def message(data: bytes) -> None:
    """Decode a JSON message of Kafka; an accepted message must be the same after packing and unpacking."""
    try:
        ecg = plain.decode(data)
    except InvalidEcg:
        return
    assert plain.encode(packed.decode(packed.encode(ecg))) == plain.encode(ecg)


def packed_message(data: bytes) -> None:
    """Decode a packed message (MessagePack)."""
    _refused_in_one_way(lambda: packed.decode(data))


def packed_submission(data: bytes) -> None:
    """Decode the packed body of a submission; an accepted one must be the same after packing and unpacking."""

    def decode() -> None:
        content = packed.decode_content(data, only_known=True)
        again = packed.decode_content(packed.encode_content(content), only_known=True)
        assert plain.encode_content(again) == plain.encode_content(content)

    _refused_in_one_way(decode)


def content_type(data: bytes) -> None:
    """Decode a message by its content type: the data is the type, a zero byte and the message."""
    name, _, value = data.partition(b"\0")
    _refused_in_one_way(lambda: encoding.decode(value, name.decode(errors="replace")))


def record(data: bytes) -> None:
    """Process a Kafka record: the data is a line with the key, a line for each header, and the value."""
    *lines, value = data.split(b"\n", len(_HEADERS) + 1)
    key, *headers = lines or [b""]
    named: list[tuple[str, bytes | None]] = [
        (name, header if header != b"-" else None) for name, header in zip(_HEADERS, headers, strict=False)
    ]
    outcome = processor(1 << 20).process(Record("t", len(data) % 12, 0, key or None, value, named, 0))
    assert isinstance(outcome, Stored | Misplaced | Rejected)
    # The reason must fit into a dead letter beside the record.
    assert not isinstance(outcome, Rejected) or len(outcome.reason) <= LONGEST_REASON


def cursor(data: bytes) -> None:
    """Open a cursor that no gateway issued, which must fail."""
    with suppress(ValueError):
        CURSORS.open("u", _text(data))
        raise AssertionError("a forged cursor was taken")


def event_id(data: bytes) -> None:
    """Decode an event id that no gateway issued, which must fail."""
    with suppress(ValueError):
        POSITIONS.decode(_text(data))
        raise AssertionError("a forged id of an event was taken")


def ecg_id(data: bytes) -> None:
    """Check an ECG id that no gateway issued, which must belong to nobody."""
    assert not ISSUER.belongs(_text(data), "u")


def header(data: bytes) -> None:
    """Parse the HTTP headers for which the gateway has its own parsers."""
    text = data.decode("latin-1")
    assert 0 <= prefer_header.wait_seconds([text]) <= prefer_header.MAX_WAIT_SECONDS
    assert valid_request_id(text) in (text, None)
    assert not tokens.is_well_formed(text)


DECODERS: dict[str, Callable[[bytes], None]] = {
    decoder.__name__: decoder
    for decoder in (
        *(submission, packed_submission, message, packed_message, content_type, record, cursor, event_id, ecg_id),
        header,
    )
}


def _text(data: bytes) -> str:
    return data.decode("latin-1")


def _refused_in_one_way(decode: Callable[[], object]) -> None:
    try:
        decode()
    except InvalidEcg as error:
        refusal = error
    else:
        return
    assert refusal.field
    assert len(str(refusal)) <= LONGEST_REASON
