"""The `Prefer` header (RFC 7240): how long a client is willing to wait for an answer."""

import re
from collections.abc import Iterable

MAX_WAIT_SECONDS = 30

# With unbalanced quotes, matching takes a time that grows with the square of the length.
_LONGEST_HEADER = 1024
# Commas within quotes do not separate preferences.
_PREFERENCE = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+')
_WAIT = re.compile(r'\s*wait\s*=\s*(?:"(?P<quoted>[0-9]{1,9})"|(?P<plain>[0-9]{1,9}))\s*(?:;.*)?', re.IGNORECASE)


def wait_seconds(headers: Iterable[str]) -> int:
    """Return the seconds of the first `wait` preference, at most `MAX_WAIT_SECONDS`, or 0.

    As the RFC demands, malformed and unknown preferences are ignored.
    """
    header = ",".join(headers)
    for preference in _PREFERENCE.findall(header) if len(header) <= _LONGEST_HEADER else ():
        if wait := _WAIT.fullmatch(preference):
            return min(int(wait["quoted"] or wait["plain"]), MAX_WAIT_SECONDS)
    return 0
