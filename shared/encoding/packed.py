"""The packed encoding, which gateways produce: MessagePack with the samples as raw little-endian integers.

A map `{"id": str, "username": str, "leads": [{"name": str, "dtype": str, "signal": bin, "adc_gain"?: number,
"missing"?: [[int, int]]}], "date": str | nil, "sampling_rate"?: number, "label"?: str}`, where `dtype` is one of int8,
int16, int32 and int64. Decoded signals are views of the message.
See docs/decisions/0003-packed-encoding.md.
"""

from typing import Any, Final, Literal, get_args

import msgspec
import numpy as np

from shared.ecg import (
    Ecg,
    Lead,
    check_adc_gain,
    check_date,
    check_id,
    check_label,
    check_lead_count,
    check_lead_name,
    check_missing,
    check_sampling_rate,
    check_username,
)
from shared.errors import InvalidEcg

CONTENT_TYPE = "application/vnd.ecg.v1+msgpack"

_Width = Literal["int8", "int16", "int32", "int64"]
_DTYPES: Final[dict[_Width, np.dtype[Any]]] = {width: np.dtype(width).newbyteorder("<") for width in get_args(_Width)}
# By dtype in either byte order.
_NAMES: Final[dict[np.dtype[Any], _Width]] = {
    order_dtype: width for width, dtype in _DTYPES.items() for order_dtype in (dtype, dtype.newbyteorder(">"))
}


class PackedLead(msgspec.Struct):
    """A lead in the packed encoding: `signal` holds its samples as little-endian integers of the type `dtype`."""

    name: str
    dtype: _Width
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


_LONGEST_PROBLEM = 200

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(PackedEcg)


def encode(ecg: Ecg) -> bytes:
    """Encode an ECG; each signal is copied once, into the message."""
    leads = [_packed(lead) for lead in ecg.leads]
    return _encoder.encode(
        PackedEcg(ecg.id, ecg.username, leads, ecg.date, _known(ecg.sampling_rate), _given(ecg.label))
    )


def decode(value: bytes) -> Ecg:
    """Decode a packed message; the signals are read-only views of it.

    Raises:
        InvalidEcg: if it is not MessagePack or breaks the schema; it carries id and username if it
            could be decoded and both are valid.
    """
    try:
        message = _decoder.decode(value)
    except msgspec.ValidationError as error:
        # The problem may quote values from the message, at any length.
        problem, found, path = str(error).rpartition(" - at `$.")
        problem, field = (problem, path.rstrip("`")) if found else (path, "body")
        raise InvalidEcg(field, problem[:_LONGEST_PROBLEM]) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidEcg("body", f"malformed MessagePack: {error}") from None
    except RecursionError:
        raise InvalidEcg("body", "must not be nested more than some hundred levels deep") from None
    except MemoryError:
        # msgspec reserves memory for an announced length before it has read that much.
        raise InvalidEcg("body", "malformed MessagePack: a length is far beyond its end") from None
    ecg_id, username = check_id(message.id), check_username(message.username)
    try:
        check_lead_count(len(message.leads))
        leads = tuple(_lead(lead, f"leads[{i}]") for i, lead in enumerate(message.leads))
        rate = None if message.sampling_rate is msgspec.UNSET else check_sampling_rate(message.sampling_rate)
        label = None if message.label is msgspec.UNSET else check_label(message.label)
        return Ecg(ecg_id, username, check_date(message.date), leads, rate, label)
    except InvalidEcg as error:
        raise InvalidEcg(error.field, error.problem, ecg_id=ecg_id, username=username) from None


def _packed(lead: Lead) -> PackedLead:
    name = _NAMES[lead.signal.dtype]
    signal = np.ascontiguousarray(lead.signal, _DTYPES[name]).data
    return PackedLead(lead.name, name, signal, _known(lead.adc_gain), list(lead.missing) or msgspec.UNSET)


def _known(value: float | None) -> float | msgspec.UnsetType:
    return msgspec.UNSET if value is None else value


def _given(value: str | None) -> str | msgspec.UnsetType:
    return msgspec.UNSET if value is None else value


def _lead(lead: PackedLead, field: str) -> Lead:
    name, dtype = check_lead_name(lead.name, f"{field}.name"), _DTYPES[lead.dtype]
    if lead.signal.nbytes % dtype.itemsize:
        raise InvalidEcg(
            f"{field}.signal",
            f"must hold whole samples of {dtype.itemsize} bytes, not {lead.signal.nbytes} bytes",
        )
    gain = None if lead.adc_gain is msgspec.UNSET else check_adc_gain(lead.adc_gain, f"{field}.adc_gain")
    signal = np.frombuffer(lead.signal, dtype)
    missing = () if lead.missing is msgspec.UNSET else check_missing(lead.missing, f"{field}.missing", signal)
    return Lead(name, signal, gain, missing)
