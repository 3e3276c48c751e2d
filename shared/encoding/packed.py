"""The packed encoding, which gateways produce: MessagePack with the samples as raw little-endian integers.

A map `{"id": str, "username": str, "leads": [{"name": str, "dtype": str, "signal": bin, "adc_gain"?: number,
"missing"?: [[int, int]]}], "date": str | nil, "sampling_rate"?: number, "label"?: str}`, where `dtype` is one of int8,
int16, int32 and int64. Over HTTP it has neither id nor username. Decoded signals are views of the message.
See docs/decisions/0003-packed-encoding.md and docs/decisions/0034-packed-over-http.md.
"""

import re
from collections.abc import Iterable
from typing import Any, Final, Literal, TypeVar, get_args

import msgspec
import numpy as np

from shared.chunk import Chunk, check_first_sample
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
)
from shared.errors import InvalidEcg, UnknownField, place_of

CONTENT_TYPE = "application/vnd.ecg.v1+msgpack"

T = TypeVar("T")
_Own = TypeVar("_Own", bound="_OwnContent")

Width = Literal["int8", "int16", "int32", "int64"]
_DTYPES: Final[dict[Width, np.dtype[Any]]] = {width: np.dtype(width).newbyteorder("<") for width in get_args(Width)}
# By dtype in either byte order.
_NAMES: Final[dict[np.dtype[Any], Width]] = {
    order_dtype: width for width, dtype in _DTYPES.items() for order_dtype in (dtype, dtype.newbyteorder(">"))
}


class PackedLead(msgspec.Struct):
    """A lead in the packed encoding: `signal` holds its samples as little-endian integers of the type `dtype`."""

    name: str
    dtype: Width
    signal: memoryview
    # Omitted when unknown, so that ids derived from the bytes of older messages do not change.
    adc_gain: float | msgspec.UnsetType | None = msgspec.UNSET
    missing: list[tuple[int, int]] | msgspec.UnsetType | None = msgspec.UNSET


class PackedEcg(msgspec.Struct):
    """An ECG in the packed encoding, which gateways produce."""

    id: str
    username: str
    leads: list[PackedLead]
    date: str | None = None
    sampling_rate: float | msgspec.UnsetType | None = msgspec.UNSET
    label: str | msgspec.UnsetType | None = msgspec.UNSET


class PackedChunk(msgspec.Struct):
    """A chunk of a recording in the packed encoding."""

    recording_id: str
    username: str
    leads: list[PackedLead] = []
    date: str | None = None
    sampling_rate: float | msgspec.UnsetType | None = msgspec.UNSET
    label: str | msgspec.UnsetType | None = msgspec.UNSET
    first_sample: int = 0
    end: bool = False


class PackedContent(msgspec.Struct):
    """A submission in the packed encoding: an ECG without its id and its owner."""

    leads: list[PackedLead]
    date: str | None = None
    sampling_rate: float | msgspec.UnsetType | None = msgspec.UNSET
    label: str | msgspec.UnsetType | None = msgspec.UNSET


class PackedChunkContent(PackedContent, kw_only=True):
    """A chunk over HTTP: without the recording's id and its owner."""

    first_sample: int


class PackedBatched(PackedContent):
    """A submission of a batch, which may have an idempotency key."""

    idempotency_key: str | msgspec.UnsetType | None = msgspec.UNSET


class _OwnLead(msgspec.Struct, forbid_unknown_fields=True):
    """A lead of a submission with none but known fields; ranges stay encoded until they are counted."""

    name: str
    dtype: Width
    signal: memoryview
    adc_gain: float | msgspec.UnsetType | None = msgspec.UNSET
    missing: msgspec.Raw = msgspec.Raw()


class _OwnContent(msgspec.Struct, forbid_unknown_fields=True):
    """A submission with none but known fields; leads stay encoded until they are counted."""

    leads: msgspec.Raw
    date: str | msgspec.UnsetType | None = msgspec.UNSET
    sampling_rate: float | msgspec.UnsetType | None = msgspec.UNSET
    label: str | msgspec.UnsetType | None = msgspec.UNSET


class _OwnChunk(_OwnContent, forbid_unknown_fields=True, kw_only=True):
    """A chunk of a recording."""

    first_sample: int


class _OwnBatched(_OwnContent, forbid_unknown_fields=True):
    """A submission of a batch."""

    idempotency_key: str | msgspec.UnsetType | None = msgspec.UNSET


MAX_BATCH = 1000
CONTENT_FIELDS = frozenset(PackedContent.__struct_fields__)
LEAD_FIELDS = frozenset(PackedLead.__struct_fields__)
_LONGEST_PROBLEM = 200
# The first byte of a short map or list without its length, and that of one whose length takes two bytes. The one after
# it announces four.
_MAP, _LIST = (0x80, 0xDE), (0x90, 0xDC)
_MAX_FIELDS = 1024  # as in JSON
# msgspec's words for a field that is not known, and for one that is missing or has a wrong type.
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_WRONG = re.compile(r"Object missing required field `(\w+)`|.* - at `\$\.(\w+)`", re.DOTALL)

_encoder = msgspec.msgpack.Encoder()
_ecg_decoder = msgspec.msgpack.Decoder(PackedEcg)
_chunk_decoder = msgspec.msgpack.Decoder(PackedChunk)
_content_decoder = msgspec.msgpack.Decoder(PackedContent)
_own_content_decoder = msgspec.msgpack.Decoder(_OwnContent)
_own_chunk_decoder = msgspec.msgpack.Decoder(_OwnChunk)
_own_batched_decoder = msgspec.msgpack.Decoder(_OwnBatched)
_own_lead_decoder = msgspec.msgpack.Decoder(_OwnLead)
_list_decoder = msgspec.msgpack.Decoder(list[msgspec.Raw])
_ranges_decoder = msgspec.msgpack.Decoder(list[tuple[int, int]] | None)


def encode(ecg: Ecg) -> bytes:
    """Encode an ECG; each signal is copied once, into the message."""
    leads = pack(ecg.leads)
    return _encoder.encode(
        PackedEcg(ecg.id, ecg.username, leads, ecg.date, _known(ecg.sampling_rate), _known(ecg.label))
    )


def encode_chunk(chunk: Chunk) -> bytes:
    """Encode a chunk of a recording."""
    place = (chunk.first_sample, chunk.end)
    leads, rate, label = pack(chunk.leads), _known(chunk.sampling_rate), _known(chunk.label)
    return _encoder.encode(PackedChunk(chunk.id, chunk.username, leads, chunk.date, rate, label, *place))


def encode_chunk_content(content: Content, first_sample: int) -> bytes:
    """Encode a chunk, without the recording's id and its owner."""
    return _encoder.encode(PackedChunkContent(**_fields(content), first_sample=first_sample))


def encode_content(content: Content) -> bytes:
    """Encode a submission, without an id and an owner."""
    return _encoder.encode(PackedContent(**_fields(content)))


def encode_batch(batch: Iterable[tuple[str, Content]]) -> bytes:
    """Encode submissions, each with its idempotency key, as the body of a batch."""
    return _encoder.encode([PackedBatched(**_fields(content), idempotency_key=key) for key, content in batch])


def pack(leads: tuple[Lead, ...]) -> list[PackedLead]:
    """Return leads as `dumps` takes them, with the width that their arrays have."""
    return [_packed(lead) for lead in leads]


def dumps(document: dict[str, Any]) -> bytes:
    """Encode a document that holds leads."""
    return _encoder.encode(document)


def decode(value: bytes) -> Ecg:
    """Decode a packed message; the signals are read-only views of it.

    Raises:
        InvalidEcg: if it is not MessagePack or breaks the schema; it carries id and username if it
            could be decoded and both are valid.
    """
    message = _decoded(_ecg_decoder, value)
    ecg_id, username = check_id(message.id), check_username(message.username)
    try:
        return Ecg.of(ecg_id, username, _content(message))
    except InvalidEcg as error:
        raise InvalidEcg(error.field, error.problem, ecg_id=ecg_id, username=username) from None


def decode_chunk(value: bytes) -> Chunk:
    """Decode a chunk of a recording; the signals are read-only views of it.

    Raises:
        InvalidEcg: as `decode`, and if it breaks a limit of recordings.
    """
    message = _decoded(_chunk_decoder, value)
    recording_id, username = check_id(message.recording_id, "recording_id"), check_username(message.username)
    try:
        if not (message.end and not message.leads):
            check_lead_count(len(message.leads))
        content = _content_of(message, (_lead(lead, f"leads[{i}]") for i, lead in enumerate(message.leads)))
        return Chunk.begun(recording_id, username, content, check_first_sample(message.first_sample), end=message.end)
    except InvalidEcg as error:
        raise InvalidEcg(error.field, error.problem, ecg_id=recording_id, username=username) from None


def decode_chunk_content(value: bytes) -> tuple[int, Content]:
    """Decode a chunk whose recording and owner are not part of the message: its first sample, and its content.

    Raises:
        InvalidEcg: if it breaks the schema, as in `decode_content` with `only_known`.
    """
    message = _own(_own_chunk_decoder, value, "a chunk")
    return check_first_sample(message.first_sample), _own_content(message)


def decode_content(value: bytes, *, only_known: bool = False) -> Content:
    """Decode a packed submission, whose id and owner are not part of the message; the signals are views of it.

    With `only_known`, every field must be one of a submission and be there once, as in JSON. Otherwise unknown fields
    are ignored, so that older readers understand newer documents.

    Raises:
        InvalidEcg: if it is not MessagePack or breaks the schema.
    """
    if only_known:
        return _own_content(_own(_own_content_decoder, value))
    return _content(_decoded(_content_decoder, value))


def split_batch(value: bytes) -> list[msgspec.Raw]:
    """Return the submissions of a batch, still encoded, as views of it.

    Raises:
        InvalidEcg: if it is not a list of 1 to `MAX_BATCH` values.
    """
    count = _announced(value, _LIST) if value else None
    if count is None:
        raise InvalidEcg("body", "must be a list of submissions")
    if not 1 <= count <= MAX_BATCH:
        raise InvalidEcg("body", f"must hold 1 to {MAX_BATCH} submissions, not {count}")
    return _well_formed(_list_decoder, value)


def decode_batched(value: msgspec.Raw) -> tuple[str | None, Content]:
    """Decode a submission of a batch, and return its idempotency key, or None, and its content, a view of it.

    Raises:
        InvalidEcg: if it breaks the schema, as in `decode_content` with `only_known`.
    """
    message = _own(_own_batched_decoder, value)
    return _value(message.idempotency_key), _own_content(message)


def _decoded(decoder: msgspec.msgpack.Decoder[T], value: bytes) -> T:
    try:
        return _well_formed(decoder, value)
    except msgspec.ValidationError as error:
        # The problem may quote values from the message, at any length.
        problem, found, path = str(error).rpartition(" - at `$.")
        problem, field = (problem, path.rstrip("`")) if found else (path, "body")
        raise InvalidEcg(field, problem[:_LONGEST_PROBLEM]) from None


def _well_formed(decoder: msgspec.msgpack.Decoder[T], value: bytes) -> T:
    """Decode what is well-formed.

    Raises:
        InvalidEcg: if it is not MessagePack.
        msgspec.ValidationError: if it has other types than the decoder's.
    """
    try:
        return decoder.decode(value)
    except msgspec.ValidationError:
        raise
    except UnicodeDecodeError:
        raise InvalidEcg("body", "malformed MessagePack: texts must be UTF-8") from None
    except msgspec.DecodeError as error:
        raise InvalidEcg("body", f"malformed MessagePack: {error}") from None
    except RecursionError:
        raise InvalidEcg("body", "must not be nested more than some hundred levels deep") from None
    except MemoryError:
        # msgspec reserves memory for an announced length before it has read that much.
        raise InvalidEcg("body", "malformed MessagePack: a length is far beyond its end") from None


def _content(message: PackedContent | PackedEcg) -> Content:
    check_lead_count(len(message.leads))
    return _content_of(message, (_lead(lead, f"leads[{i}]") for i, lead in enumerate(message.leads)))


def _own(decoder: msgspec.msgpack.Decoder[_Own], value: bytes | msgspec.Raw, kind: str = "a submission") -> _Own:
    """Decode a document of a kind, whose fields must be known ones and must not repeat; its leads stay encoded."""
    try:
        message = _well_formed(decoder, value)
    except msgspec.ValidationError as error:
        known = frozenset(decoder.type.__struct_fields__)
        raise _refusal(str(error), "body", kind, known) from None
    given = [name for name in message.__struct_fields__ if getattr(message, name) is not msgspec.UNSET]
    _check_fields(value, "body", len(given))
    return message


def _own_content(message: _OwnContent) -> Content:
    # Counted first, because a body of the largest size holds millions of leads of one byte.
    if (count := _announced(message.leads, _LIST)) is None:
        raise InvalidEcg("leads", "must be a list of leads")
    check_lead_count(count)
    leads = _well_formed(_list_decoder, message.leads)
    return _content_of(message, (_own_lead(lead, f"leads[{i}]") for i, lead in enumerate(leads)))


def _content_of(message: PackedContent | PackedEcg | PackedChunk | _OwnContent, leads: Iterable[Lead]) -> Content:
    return Content(
        check_date(_value(message.date)),
        tuple(leads),
        check_sampling_rate(_value(message.sampling_rate)),
        check_label(_value(message.label)),
    )


def _own_lead(value: msgspec.Raw, field: str) -> Lead:
    try:
        lead = _well_formed(_own_lead_decoder, value)
    except msgspec.ValidationError as error:
        raise _refusal(str(error), field, "a lead", LEAD_FIELDS) from None
    _check_fields(value, field, 3 + (lead.adc_gain is not msgspec.UNSET) + bool(lead.missing))
    return _lead(lead, field)


def _refusal(problem: str, place: str, kind: str, known: frozenset[str]) -> InvalidEcg:
    """Return the error for what msgspec refuses, in the words that JSON's decoder has for it."""
    if unknown := _UNKNOWN.match(problem):
        return UnknownField(place, unknown[1], kind, known)
    if wrong := _WRONG.match(problem):
        name = wrong[1] or wrong[2]
        try:
            _check_type(name, place_of(place, name), ...)
        except InvalidEcg as error:
            return error
    return InvalidEcg(place, f"must be a map whose fields are among {', '.join(sorted(known))}")


def _check_type(name: str, field: str, value: object) -> None:
    """Raise the error for a field whose value is missing or has a wrong type."""
    match name:
        case "date":
            check_date(value)
        case "sampling_rate":
            check_sampling_rate(value)
        case "label":
            check_label(value)
        case "first_sample":
            check_first_sample(value)
        case "name":
            check_lead_name(value, field)
        case "adc_gain":
            check_adc_gain(value, field)
        case "dtype":
            raise InvalidEcg(field, f"must be one of {', '.join(_DTYPES)}")
        case "signal":
            raise InvalidEcg(field, "must hold the samples as bytes (bin) of the width that dtype names")
        case "leads":
            raise InvalidEcg(field, "must be a list of leads")
        case "idempotency_key":
            raise InvalidEcg(field, "must be a text")


def _check_fields(value: bytes, place: str, given: int) -> None:
    """Check that an encoded map, of which `given` fields were decoded, has none of them twice.

    Readers disagree on which one counts.
    """
    count = _announced(value, _MAP) or 0
    if count == given:
        return
    if count > _MAX_FIELDS:
        raise InvalidEcg(place, f"must not have more than {_MAX_FIELDS} fields")
    # A list of twice the length has the same bytes, and keeps every name.
    encoded, long = bytes(value), _MAP[1]
    header = {long: 3, long + 1: 5}.get(encoded[0], 1)
    entries = _list_decoder.decode(b"\xdd" + (2 * count).to_bytes(4) + encoded[header:])
    names = [msgspec.msgpack.decode(name, type=str) for name in entries[::2]]
    twice = next(name for i, name in enumerate(names) if name in names[:i])
    raise InvalidEcg(place_of(place, twice), "must not be there twice")


def _announced(value: bytes, kind: tuple[int, int]) -> int | None:
    """Return the announced number of entries of an encoded map or list, or None if it is no such."""
    short, long = kind
    head = memoryview(value)
    first = head[0]
    if first & 0xF0 == short:
        return int(first & 0x0F)
    if first == long:
        return int.from_bytes(head[1:3])
    return int.from_bytes(head[1:5]) if first == long + 1 else None


def _value(given: T | msgspec.UnsetType) -> T | None:
    return None if given is msgspec.UNSET else given


def _fields(content: Content) -> dict[str, Any]:
    return {
        "leads": pack(content.leads),
        "date": content.date,
        "sampling_rate": _known(content.sampling_rate),
        "label": _known(content.label),
    }


def _packed(lead: Lead) -> PackedLead:
    name = _NAMES[lead.signal.dtype]
    signal = np.ascontiguousarray(lead.signal, _DTYPES[name]).data
    return PackedLead(lead.name, name, signal, _known(lead.adc_gain), list(lead.missing) or msgspec.UNSET)


def _known(value: T | None) -> T | msgspec.UnsetType:
    return msgspec.UNSET if value is None else value


def _lead(lead: PackedLead | _OwnLead, field: str) -> Lead:
    name, dtype = check_lead_name(lead.name, f"{field}.name"), _DTYPES[lead.dtype]
    if lead.signal.nbytes % dtype.itemsize:
        raise InvalidEcg(
            f"{field}.signal",
            f"must hold whole samples of {dtype.itemsize} bytes, not {lead.signal.nbytes} bytes",
        )
    gain = check_adc_gain(_value(lead.adc_gain), f"{field}.adc_gain")
    signal = np.frombuffer(lead.signal, dtype)
    if isinstance(lead.missing, msgspec.Raw):
        missing = _own_ranges(lead.missing, f"{field}.missing", signal)
    else:
        missing = check_missing(_value(lead.missing), f"{field}.missing", signal)
    return Lead(name, signal, gain, missing)


def _own_ranges(value: msgspec.Raw, field: str, signal: Signal) -> Ranges:
    if not value:
        return ()
    check_range_count(_announced(value, _LIST) or 0, field, signal)
    try:
        return check_missing(_well_formed(_ranges_decoder, value), field, signal)
    except msgspec.ValidationError:
        return check_missing(..., field, signal)  # raises the error for a wrong type
