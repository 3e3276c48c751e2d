"""What is wrong with a secret that somebody chose."""

import re

LEAST_LENGTH = 32

# What stands in examples, and what people write where they mean to write something else later. A secret must be long
# enough without them too.
_KNOWN = (
    *("administrator", "admin", "user", "root", "changeme", "change", "replace", "default", "example", "sample"),
    *("password", "passwd", "secret", "token", "testing", "test", "demo", "development", "insecure", "benchmarks"),
    *("letmein", "please", "your", "this", "goes", "here", "with", "ecg", "qwertyuiop", "asdfghjkl", "zxcvbnm"),
    *("abcdefghijklmnopqrstuvwxyz", "0123456789", "1234567890", "abcdef", "xxxx"),
)
_WORD = re.compile("|".join(_KNOWN))
_LEAST_UNKNOWN = 20
_LEAST_DIFFERENT = 8


def weakness(secret: str) -> str | None:
    """Return what a secret must be and is not, or None; the text holds nothing of the secret."""
    if len(secret) < LEAST_LENGTH:
        return f"must have at least {LEAST_LENGTH} characters: make one with `openssl rand -hex 32`"
    unknown = _WORD.sub("", re.sub(r"[\s_.,:;-]", "", secret.casefold()))
    repeated = any(secret.startswith(secret[period:]) for period in range(1, len(secret) // 2 + 1))
    if repeated or len(unknown) < _LEAST_UNKNOWN or len(set(secret)) < _LEAST_DIFFERENT:
        return "is an example, or could be guessed: make one with `openssl rand -hex 32`"
    return None
