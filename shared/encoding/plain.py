"""The plain encoding: JSON, which anyone may produce.

`{"id", "username", "date"?, "label"?, "sampling_rate"?, "leads": [{"name", "number_of_samples"?, "adc_gain"?,
"missing"?, "signal"}, ...]}`. Samples go from the parser's tape straight into NumPy arrays, without a Python integer
for each.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeAlias

import msgspec
import numpy as np
import orjson
import simdjson

from shared.chunk import Chunk, check_first_sample, check_length
from shared.ecg import (
    MAX_SAMPLING_RATE,
    Content,
    Ecg,
    Lead,
    Ranges,
    Signal,
    check_adc_gain,
    check_date,
    check_id,
    check_label,
    check_lead_count,
    check_lead_name,
    check_missing,
    check_range_count,
    check_sampling_rate,
    check_username,
    narrow,
)
from shared.errors import InvalidEcg, UnknownField, place_of

CONTENT_TYPE = "application/json"

# simdjson's own limit: it refuses deeper documents.
MAX_DEPTH = 1024
# For each object that is read, unknown fields included.
MAX_FIELDS = 1024
CONTENT_FIELDS = frozenset(Content.__struct_fields__)
CHUNK_FIELDS = CONTENT_FIELDS | {"first_sample"}
LEAD_FIELDS = frozenset((*Lead.__struct_fields__, "number_of_samples"))
ANNOUNCED_LEAD_FIELDS = frozenset(("name", "adc_gain"))
# An integer that may not fit into 64 bits. A match within a string does no harm.
_LONG_INTEGER = re.compile(rb"(?<![0-9.eE+-])-?[0-9]{19,}(?![0-9.eE])")
_MOST_DIGITS = 20
NOT_INTEGERS = "must hold integers only: multiply fractions, and send adc_gain"
_NOT_A_NUMBER = re.compile(rb"[\[,:]\s*-?(?:NaN|Infinity)\b")

_Read: TypeAlias = Callable[[Any, bytes], object]


def decode(value: bytes) -> Ecg:
    """Decode a JSON message.

    Raises:
        InvalidEcg: if it is not JSON or breaks the schema; it carries id and username if they
            could be read and are valid.
    """
    document = _parse(value, _content)
    ecg_id, username = _identity(document, "id")
    with _naming(ecg_id, username):
        return Ecg.of(ecg_id, username, _content(document, value))


def decode_chunk(value: bytes) -> Chunk:
    """Decode a chunk of a recording.

    Raises:
        InvalidEcg: as `decode`, and if it breaks a limit of recordings.
    """
    document = _parse(value, _content)
    recording_id, username = _identity(document, "recording_id")
    with _naming(recording_id, username):
        given = set(document)
        first_sample = check_first_sample(document["first_sample"]) if "first_sample" in given else 0
        end = document["end"] if "end" in given else False
        if type(end) is not bool:
            raise InvalidEcg("end", "must be true or false")
        content = Content(None, ()) if end and "leads" not in given else _content(document, value)
        return Chunk.begun(recording_id, username, content, first_sample, end=end)


def decode_chunk_content(value: bytes) -> tuple[int, Content]:
    """Decode a chunk whose recording and owner are not part of the message: its first sample, and its content.

    Every field must be one of a chunk.

    Raises:
        InvalidEcg: if it is not JSON or breaks the schema.
    """
    read = partial(_content, known=CHUNK_FIELDS, kind="a chunk")
    document = _parse(value, read)
    content = read(document, value)
    return check_first_sample(document["first_sample"] if "first_sample" in set(document) else None), content


def decode_announcement(value: bytes) -> Content:
    """Decode the announcement of a recording over HTTP: a content whose leads have no signals.

    Every field must be a known one.

    Raises:
        InvalidEcg: if it is not JSON or breaks the schema.
    """
    read = partial(_content, known=CONTENT_FIELDS, kind="an announcement", announced=True)
    return read(_parse(value, read), value)


def decode_end(value: bytes) -> int:
    """Decode the end of a recording over HTTP, and return its number of samples.

    Raises:
        InvalidEcg: if it is not JSON or breaks the schema.
    """
    return _total(_parse(value, _total), value)


def decode_content(value: bytes, *, only_known: bool = False, besides: frozenset[str] = frozenset()) -> Content:
    """Decode a JSON submission, whose id and owner are not part of the message.

    With `only_known`, every field must be one of a submission, so that a misspelt field is not silently ignored; the
    document itself may have the fields `besides` too. Otherwise unknown fields are ignored, so that older readers
    understand newer documents.

    Raises:
        InvalidEcg: if it is not JSON or breaks the schema.
    """
    read = partial(_content, known=CONTENT_FIELDS if only_known else None, besides=besides)
    return read(_parse(value, read), value)


def encode(ecg: Ecg) -> bytes:
    """Encode an ECG as JSON."""
    return dumps({"id": ecg.id, "username": ecg.username} | _document(ecg))


def encode_chunk(chunk: Chunk) -> bytes:
    """Encode a chunk of a recording as JSON."""
    end = {"end": True} if chunk.end else {}
    identity = {"recording_id": chunk.id, "username": chunk.username, "first_sample": chunk.first_sample}
    document = _document(chunk)
    if not chunk.leads:
        # An empty list of leads is invalid; the end may leave them out.
        del document["leads"]
    return dumps(identity | end | document)


def encode_chunk_content(content: Content, first_sample: int) -> bytes:
    """Encode a chunk as JSON, without the recording's id and its owner."""
    return dumps({"first_sample": first_sample} | _document(content))


def encode_content(content: Content) -> bytes:
    """Encode a submission as JSON, without an id and an owner."""
    return dumps(_document(content))


def samples(lead: Lead) -> Signal:
    """Return a lead's signal as `dumps` needs it: contiguous and in native byte order."""
    return np.ascontiguousarray(lead.signal, lead.signal.dtype.newbyteorder("="))


def dumps(document: dict[str, Any]) -> bytes:
    """Encode a document that holds signals, straight from their arrays."""
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)


def _identity(document: Any, name: str) -> tuple[str, str]:
    """Return the id, in the field of this name, and the owner in a document."""
    # Rejects duplicate fields before any is read: with two ids or two usernames, the owner would be ambiguous.
    _fields(document)
    ecg_id = check_id(document.get(name), name)
    with _naming(ecg_id, None):
        return ecg_id, check_username(document.get("username"))


@contextmanager
def _naming(ecg_id: str, username: str | None) -> Iterator[None]:
    """Add the id and the owner to an error."""
    try:
        yield
    except InvalidEcg as error:
        raise InvalidEcg(error.field, error.problem, ecg_id=ecg_id, username=username) from None


def _document(ecg: Ecg | Content) -> dict[str, Any]:
    """Return the fields of an ECG; optional fields are omitted when unknown."""
    rate = {} if ecg.sampling_rate is None else {"sampling_rate": ecg.sampling_rate}
    label = {} if ecg.label is None else {"label": ecg.label}
    return {"date": ecg.date, **label, **rate, "leads": [_lead_document(lead) for lead in ecg.leads]}


def _lead_document(lead: Lead) -> dict[str, Any]:
    gain = {} if lead.adc_gain is None else {"adc_gain": lead.adc_gain}
    missing = {"missing": lead.missing} if lead.missing else {}
    return {"name": lead.name, "number_of_samples": lead.signal.size, **gain, **missing, "signal": samples(lead)}


def _parse(value: bytes, read: _Read) -> Any:
    """Return the document that `read` reads."""
    try:
        document = simdjson.Parser().parse(value)
    except (ValueError, RuntimeError) as error:
        raise _explain(value, str(error), read) from None
    if not isinstance(document, simdjson.Object):
        raise InvalidEcg("body", "must be a JSON object")
    return document


def _explain(value: bytes, complaint: str, read: _Read) -> InvalidEcg:
    """Find what is wrong with a document that simdjson refuses: its errors name neither the place nor the field.

    This creates no objects from the document, because a malicious one may hold millions.
    """
    too_deep = InvalidEcg("body", f"must not be nested more than {MAX_DEPTH} deep")
    if "DEPTH_ERROR" in complaint:
        return too_deep
    if "UTF8_ERROR" in complaint:
        return InvalidEcg("body", "must be UTF-8")
    try:
        msgspec.json.decode(value, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if _NOT_A_NUMBER.search(value):
            return InvalidEcg(
                "body", "malformed JSON: NaN is not JSON: send 0 for a missing sample, and its place in `missing`"
            )
        return InvalidEcg("body", f"malformed JSON: {error}")
    except RecursionError:
        return too_deep
    return _explain_integer(value, read)


def _explain_integer(value: bytes, read: _Read) -> InvalidEcg:
    """Find the field of an integer beyond 64 bits: the document can be read with `true` in its place."""
    readable = _LONG_INTEGER.sub(lambda match: match[0] if _has_64_bits(match[0]) else b"true", value)
    try:
        document = simdjson.Parser().parse(readable)
        if isinstance(document, simdjson.Object):
            read(document, readable)
    except InvalidEcg as error:
        is_signal = error.field.endswith(".signal")
        return InvalidEcg(error.field, "must hold integers of 64 bits") if is_signal else error
    except (ValueError, RuntimeError, TypeError):
        return InvalidEcg("body", "malformed JSON: a number or a character cannot be represented")
    return InvalidEcg("body", "must hold integers of 64 bits")


def _has_64_bits(integer: bytes) -> bool:
    return len(integer) <= _MOST_DIGITS and -(2**63) <= int(integer) < 2**64


def _fields(document: Any, name: str = "body") -> set[str]:
    """Return an object's fields.

    Raises:
        InvalidEcg: if a field occurs twice, because readers disagree on which one counts, or if there are too many.
    """
    if len(document) > MAX_FIELDS:
        raise InvalidEcg(name, f"must not have more than {MAX_FIELDS} fields")
    fields = list(document)
    given = set(fields)
    if len(given) < len(fields):
        twice = next(field for i, field in enumerate(fields) if field in fields[:i])
        raise InvalidEcg(place_of(name, twice), "must not be there twice")
    return given


def _known_fields(
    document: Any, name: str, kind: str, known: frozenset[str] | None, besides: frozenset[str] = frozenset()
) -> set[str]:
    """Return an object's fields, as `_fields`; if `known` is given, other fields are refused.

    Fields in `besides` are accepted too, but not suggested.
    """
    given = _fields(document, name)
    if known is not None and not given <= known | besides:
        # The first one in the document's order, because the order of a set changes from process to process.
        unknown = next(field for field in document if field not in known | besides)
        raise UnknownField(name, unknown, kind, known)
    return given


def _total(document: Any, _: bytes) -> int:
    """Return the number of samples in the document that ends a recording."""
    given = _known_fields(document, "body", "the end of a recording", frozenset(("number_of_samples",)))
    total = check_first_sample(document["number_of_samples"] if given else None, "number_of_samples")
    # Checked at the highest sampling rate: only the worker knows the recording's.
    check_length(total, MAX_SAMPLING_RATE, "number_of_samples")
    return total


def _content(
    document: Any,
    value: bytes,
    known: frozenset[str] | None = None,
    *,
    kind: str = "a submission",
    besides: frozenset[str] = frozenset(),
    announced: bool = False,
) -> Content:
    """Return the content of a document of a kind; if `known` fields are given, those in `besides` are ignored."""
    # Looked up first, because `get` of a missing field is slow: it raises and catches an exception.
    given = _known_fields(document, "body", kind, known, besides)
    date = check_date(document["date"]) if "date" in given else None
    rate = check_sampling_rate(document["sampling_rate"]) if "sampling_rate" in given else None
    leads = document.get("leads")
    if not isinstance(leads, simdjson.Array):
        raise InvalidEcg("leads", "must be a list of leads")
    check_lead_count(len(leads))
    # The parser flattens nested lists. A document without more brackets than expected lists has none.
    brackets = int(np.count_nonzero(np.frombuffer(value, np.uint8) == ord("[")))
    flat = brackets == 1 + len(leads)
    label = check_label(document["label"]) if "label" in given else None
    if announced:
        decoded = tuple(_announced_lead(lead, f"leads[{i}]") for i, lead in enumerate(leads))
    else:
        decoded = tuple(_lead(lead, f"leads[{i}]", flat, known is not None) for i, lead in enumerate(leads))
    return Content(date, decoded, rate, label)


def _announced_lead(lead: Any, field: str) -> Lead:
    if not isinstance(lead, simdjson.Object):
        raise InvalidEcg(field, "must be an object with name")
    given = _known_fields(lead, field, "an announced lead", ANNOUNCED_LEAD_FIELDS)
    name = check_lead_name(lead["name"] if "name" in given else None, f"{field}.name")
    gain = check_adc_gain(lead["adc_gain"], f"{field}.adc_gain") if "adc_gain" in given else None
    return Lead(name, np.empty(0, "<i1"), gain)


def _lead(lead: Any, field: str, flat: bool, only_known: bool) -> Lead:
    if not isinstance(lead, simdjson.Object):
        raise InvalidEcg(field, "must be an object with name and signal")
    given = _known_fields(lead, field, "a lead", LEAD_FIELDS if only_known else None)
    name = check_lead_name(lead.get("name"), f"{field}.name")
    samples: Any = lead.get("signal")
    if not isinstance(samples, simdjson.Array):
        raise InvalidEcg(f"{field}.signal", "must be a list of integers")
    try:
        signal = np.frombuffer(samples.as_buffer(of_type="i"), dtype=np.int64)
    except TypeError:
        raise InvalidEcg(f"{field}.signal", NOT_INTEGERS) from None
    except ValueError:
        raise InvalidEcg(f"{field}.signal", "must hold integers of 64 bits") from None
    if not flat and samples.mini.count(b"[") != 1:  # type: ignore[arg-type]  # its stubs say str
        raise InvalidEcg(f"{field}.signal", "must hold integers only, no lists")
    announced = lead["number_of_samples"] if "number_of_samples" in given else None
    if announced is not None and (type(announced) is not int or announced != signal.size):
        raise InvalidEcg(f"{field}.number_of_samples", f"must be the signal's length, {signal.size}")
    gain = check_adc_gain(lead["adc_gain"], f"{field}.adc_gain") if "adc_gain" in given else None
    signal = narrow(signal)
    missing = _missing(lead["missing"], f"{field}.missing", signal) if "missing" in given else ()
    return Lead(name, signal, gain, missing)


def _missing(value: Any, field: str, signal: Signal) -> Ranges:
    if isinstance(value, simdjson.Array):
        check_range_count(len(value), field, signal)
        value = value.as_list()
    return check_missing(value, field, signal)
