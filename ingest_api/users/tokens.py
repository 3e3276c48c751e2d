"""Users' tokens: `ecg_`, 256 random bits, and a checksum over both.

Secret scanners recognise a token by its prefix and its checksum; the checksum also tells a mistyped token, or one that
somebody made up, without asking anybody. It proves nothing: whether a token is somebody's only its digest says.
"""

import re
import secrets
from binascii import crc32
from hashlib import sha256

PREFIX = "ecg_"

# Letters and digits alone: a double click marks the whole token, and no shell or URL needs quotes for it.
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# As many of them as it takes for 256 and for 32 bits.
_RANDOM_DIGITS, _CHECKSUM_DIGITS = 43, 6
_FORM = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_RANDOM_DIGITS + _CHECKSUM_DIGITS}}}")


def new() -> str:
    """Return a token that nobody has."""
    body = PREFIX + _base62(secrets.randbits(256), _RANDOM_DIGITS)
    return body + _checksum(body)


def is_well_formed(token: str) -> bool:
    """Tell whether a token may have been issued: its form and its checksum are right."""
    body, checksum = token[:-_CHECKSUM_DIGITS], token[-_CHECKSUM_DIGITS:]
    return _FORM.fullmatch(token) is not None and _checksum(body) == checksum


def digest(token: str) -> bytes:
    """Return what is stored of a token, 32 bytes.

    A plain hash is enough: there is nothing to guess in 256 random bits.
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
