"""The plain encoding: JSON, which anyone may produce.

`{"id", "username", "date"?, "label"?, "sampling_rate"?, "leads": [{"name", "number_of_samples"?, "adc_gain"?,
"missing"?, "signal"}, ...]}`. Samples go from the parser's tape straight into NumPy arrays, without a Python integer
for each.
"""

import re
from typing import Any

import msgspec
import numpy as np
import orjson
import simdjson

from shared.ecg import (
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
LEAD_FIELDS = frozenset((*Lead.__struct_fields__, "number_of_samples"))
# An integer that may not fit into 64 bits. A match within a string does no harm.
_LONG_INTEGER = re.compile(rb"(?<![0-9.eE+-])-?[0-9]{19,}(?![0-9.eE])")
_MOST_DIGITS = 20
NOT_INTEGERS = "must hold integers only: multiply fractions, and send adc_gain"
_NOT_A_NUMBER = re.compile(rb"[\[,:]\s*-?(?:NaN|Infinity)\b")


def decode(value: bytes) -> Ecg:
    """Decode a JSON message.

    Raises:
        InvalidEcg: if it is not JSON or breaks the schema; it carries id and username if they
            could be read and are valid.
    """
    document = _parse(value)
    # Rejects duplicate fields before any is read: with two ids or two usernames, the owner would be ambiguous.
    _fields(document)
    ecg_id = check_id(document.get("id"))
    try:
        username = check_username(document.get("username"))
    except InvalidEcg as error:
        raise InvalidEcg(error.field, error.problem, ecg_id=ecg_id) from None
    try:
        content = _content(document, value)
    except InvalidEcg as error:
        raise InvalidEcg(error.field, error.problem, ecg_id=ecg_id, username=username) from None
    return Ecg.of(ecg_id, username, content)


def decode_content(value: bytes, *, only_known: bool = False, besides: frozenset[str] = frozenset()) -> Content:
    """Decode a JSON submission, whose id and owner are not part of the message.

    With `only_known`, every field must be one of a submission, so that nobody's misspelt field is lost in silence; the
    document itself may have others `besides`. Otherwise unknown fields are ignored, so that older readers understand
    newer documents.

    Raises:
        InvalidEcg: if it is not JSON or breaks the schema.
    """
    known = CONTENT_FIELDS | besides if only_known else None
    return _content(_parse(value, known), value, known)


def encode(ecg: Ecg) -> bytes:
    """Encode an ECG as JSON."""
    return dumps({"id": ecg.id, "username": ecg.username} | _document(ecg))


def encode_content(content: Content) -> bytes:
    """Encode a submission as JSON, without an id and an owner."""
    return dumps(_document(content))


def samples(lead: Lead) -> Signal:
    """Return a lead's signal as `dumps` needs it: contiguous and in native byte order."""
    return np.ascontiguousarray(lead.signal, lead.signal.dtype.newbyteorder("="))


def dumps(document: dict[str, Any]) -> bytes:
    """Encode a document that holds signals, straight from their arrays."""
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)


def _document(ecg: Ecg | Content) -> dict[str, Any]:
    """Return the fields of an ECG; optional fields are omitted when unknown."""
    rate = {} if ecg.sampling_rate is None else {"sampling_rate": ecg.sampling_rate}
    label = {} if ecg.label is None else {"label": ecg.label}
    return {"date": ecg.date, **label, **rate, "leads": [_lead_document(lead) for lead in ecg.leads]}


def _lead_document(lead: Lead) -> dict[str, Any]:
    gain = {} if lead.adc_gain is None else {"adc_gain": lead.adc_gain}
    missing = {"missing": lead.missing} if lead.missing else {}
    return {"name": lead.name, "number_of_samples": lead.signal.size, **gain, **missing, "signal": samples(lead)}


def _parse(value: bytes, known: frozenset[str] | None = None) -> Any:
    try:
        document = simdjson.Parser().parse(value)
    except (ValueError, RuntimeError) as error:
        raise _explain(value, str(error), known) from None
    if not isinstance(document, simdjson.Object):
        raise InvalidEcg("body", "must be a JSON object")
    return document


def _explain(value: bytes, complaint: str, known: frozenset[str] | None) -> InvalidEcg:
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
    return _explain_integer(value, known)


def _explain_integer(value: bytes, known: frozenset[str] | None) -> InvalidEcg:
    """Find the field of an integer beyond 64 bits: the document can be read with `true` in its place."""
    readable = _LONG_INTEGER.sub(lambda match: match[0] if _has_64_bits(match[0]) else b"true", value)
    try:
        document = simdjson.Parser().parse(readable)
        if isinstance(document, simdjson.Object):
            _content(document, readable, known)
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


def _content(document: Any, value: bytes, known: frozenset[str] | None = None) -> Content:
    """Return the content of a document; if the fields that it may have are `known`, others are refused."""
    # Looked up first, because `get` of a missing field is slow: it raises and catches an exception.
    given = _fields(document)
    if known is not None and not given <= known:
        unknown = next(name for name in document if name not in known)
        raise UnknownField("body", unknown, "a submission", CONTENT_FIELDS)
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
    decoded = tuple(_lead(lead, f"leads[{i}]", flat, known is not None) for i, lead in enumerate(leads))
    return Content(date, decoded, rate, label)


def _lead(lead: Any, field: str, flat: bool, only_known: bool) -> Lead:
    if not isinstance(lead, simdjson.Object):
        raise InvalidEcg(field, "must be an object with name and signal")
    given = _fields(lead, field)
    if only_known and not given <= LEAD_FIELDS:
        # The first in the document's order, because that of a set changes from process to process.
        unknown = next(name for name in lead if name not in LEAD_FIELDS)
        raise UnknownField(field, unknown, "a lead", LEAD_FIELDS)
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
