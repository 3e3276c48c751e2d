"""Messages that are small and expand, or say a thing twice."""

import msgspec

TWICE = [
    (b'{"id":"e","id":"f","username":"u","leads":[{"name":"I","signal":[1]}]}', "id"),
    (b'{"id":"e","username":"u","username":"v","leads":[{"name":"I","signal":[1]}]}', "username"),
    (b'{"id":"e","username":"u","leads":[{"name":"I","signal":[1]}],"leads":[]}', "leads"),
    (b'{"id":"e","username":"u","leads":[{"name":"I","signal":[1],"signal":[2]}]}', "leads[0].signal"),
    (b'{"id":"e","username":"u","leads":[{"name":"I","n\\u0061me":"II","signal":[1]}]}', "leads[0].name"),
    (b'{"id":"e","username":"u","leads":[{"name":"I","signal":[1],"note":1,"note":1}]}', "leads[0].note"),
    (b'{"id":"e","username":"u","date":null,"date":null,"leads":[{"name":"I","signal":[1]}]}', "date"),
]


PACKED_BOMBS = {
    "nested in a field that is not known": b"\x81\xa1x" + b"\x91" * 100_000 + b"\xc0",
    "nested maps": b"\x81\xa1x" * 100_000 + b"\xc0",
    "a list of four billion": b"\x83\xa2id\xa1e\xa8username\xa1u\xa5leads\xdd\xff\xff\xff\xff",
    "a map of four billion": b"\xdf\xff\xff\xff\xff",
    "a text of four gigabytes": b"\x81\xa2id\xdb\xff\xff\xff\xff",
    "a signal of four gigabytes": b"\x81\xa5leads\x91\x81\xa6signal\xc6\xff\xff\xff\xff",
    "a width of a megabyte": msgspec.msgpack.encode(
        {"id": "e", "username": "u", "leads": [{"name": "I", "dtype": "x" * (1 << 20), "signal": b""}]}
    ),
    "a width that ends like a path": msgspec.msgpack.encode(
        {"id": "e", "username": "u", "leads": [{"name": "I", "dtype": "x - at `$.y`", "signal": b""}]}
    ),
}


def _lead(*fields: bytes) -> bytes:
    return b"\x81\xa5leads\x91" + _map(b"\xa4name\xa1I", b"\xa5dtype\xa4int8", b"\xa6signal\xc4\x01\x01", *fields)


def _map(*fields: bytes) -> bytes:
    return bytes([0x80 + len(fields)]) + b"".join(fields)


_LEADS = b"\xa5leads\x90"
_LABEL = b"\xa5label\xa1x"
# Bodies, and the field that is there twice.
PACKED_TWICE = {
    "leads": (_map(_LEADS, _LEADS), "leads"),
    "a date, first null": (_map(_LEADS, b"\xa4date\xc0", b"\xa4date\xaa2026-11-24"), "date"),
    "a label, spelt in two ways": (_map(_LABEL, _LEADS, b"\xd9\x05label\xa1y"), "label"),
    "in a map with a long length": (b"\xde\x00\x03" + _LABEL + _LABEL + _LEADS, "label"),
    "in a map with a longer length": (b"\xdf\x00\x00\x00\x03" + _LABEL + _LABEL + _LEADS, "label"),
    "the signal of a lead": (_lead(b"\xa6signal\xc4\x01\x02"), "leads[0].signal"),
    "the ranges of a lead": (_lead(b"\xa7missing\xc0", b"\xa7missing\x90"), "leads[0].missing"),
}
