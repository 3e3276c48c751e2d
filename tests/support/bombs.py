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
