"""Users' tokens: `ecg_`, 256 random bits, and a checksum over both.

Secret scanners recognise a token by its prefix and its checksum. The checksum also exposes a mistyped or invented token
without a question to the broker. It proves nothing: only a look-up of the digest shows whether a user has the token.
"""

import re
import secrets
from binascii import crc32
from hashlib import sha256

PREFIX = "ecg_"

# Letters and digits only: a double click selects the whole token, and no shell or URL needs quotes for it.
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# The digits that 256 and 32 bits need.
_RANDOM_DIGITS, _CHECKSUM_DIGITS = 43, 6
_FORM = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_RANDOM_DIGITS + _CHECKSUM_DIGITS}}}")


def new() -> str:
    """Return a new, random token."""
    body = PREFIX + _base62(secrets.randbits(256), _RANDOM_DIGITS)
    return body + _checksum(body)


def is_well_formed(token: str) -> bool:
    """Return True if a token may have been issued, because its form and its checksum are right."""
    body, checksum = token[:-_CHECKSUM_DIGITS], token[-_CHECKSUM_DIGITS:]
    return _FORM.fullmatch(token) is not None and _checksum(body) == checksum


def digest(token: str) -> bytes:
    """Return the digest of a token, 32 bytes, which is stored instead of the token.

    A plain hash is enough, because 256 random bits cannot be guessed.
    """
    return sha256(token.encode()).digest()


def _checksum(body: str) -> str:
    return _base62(crc32(body.encode()), _CHECKSUM_DIGITS)


def _base62(number: int, digits: int) -> str:
    text = ""
    for _ in range(digits):
        number, digit = divmod(number, len(_ALPHABET))
        text = _ALPHABET[digit] + text
    return text
