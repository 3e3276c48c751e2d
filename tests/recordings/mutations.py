"""Files of the corpus, damaged at random as by disks, cables, other programs and attackers."""

import random

from tests.recordings.case import Case

_TOKENS = (
    *(b"0", b"-1", b"99999999999999999999", b"1e999", b"nan", b"-", b".", b",", b";", b"\t", b" ", b"\n", b"\r\n"),
    *(b'"', b"'", b"#", b"/", b"(", b")", b"[", b"]", b"{", b"}", b"\0", b"\xff", b"\xb5", b"\xc2\xb5", b"~", b"x"),
    *(b"212", b"508", b"16x4", b":1", b"+8", b"/mV", b"mV", b"uV", b"ECG ", b"EDF Annotations", b"+0\x14\x14"),
)


def mutated(case: Case, seed: int) -> dict[str, bytes]:
    """Return a case's files with one to four changes, the same for the same seed."""
    chance = random.Random(seed)
    files = dict(case.files)
    for _ in range(chance.randint(1, 4)):
        name = chance.choice(list(files))
        files[name] = _changed(files[name], chance)
    return files


def _changed(content: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(content) + 1)
    end = min(at + chance.randint(1, 8), len(content))
    other = chance.randrange(len(content) + 1)
    token = chance.choice(_TOKENS)
    before, inside, after = content[:at], content[at:end], content[end:]
    changes = (
        before + bytes([chance.randrange(256)]) + content[at + 1 :],
        before,
        before + after,
        before + inside * chance.randint(2, 40) + after,
        before + token + inside + after,
        before + token + content[at + len(token) :],
        before + content[other : other + chance.randint(1, 32)] + inside + after,
    )
    return chance.choice(changes)
