"""Lines of a table and their cells: separators, quotes, decimal marks, times."""

import re
from collections.abc import Iterator
from datetime import datetime
from io import StringIO

_NUMBER = re.compile(
    r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|nan|inf(?:inity)?)", re.IGNORECASE | re.ASCII
)
INTEGER = re.compile(r"[+-]?[0-9]+")
_SCIENTIFIC = re.compile(r"([+-]?)([0-9]*)\.?([0-9]*)(?:e([+-]?)0*([0-9]{1,4}))?", re.IGNORECASE | re.ASCII)
_DECIMAL_COMMA = re.compile(r"([+-]?[0-9]*),([0-9]+(?:e[+-]?[0-9]+)?)", re.IGNORECASE | re.ASCII)
_DATE_TIME = re.compile(
    r"([0-9]{4})[-/]([0-9]{1,2})[-/]([0-9]{1,2})[T ]+([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?"
    r" ?(Z|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])?",
    re.ASCII,
)
_CLOCK_DATE = re.compile(
    r"\[?([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))? ([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})\]?"
)
_CLOCK = re.compile(r"(?:([0-9]{1,3}):)?([0-9]{1,4}):([0-9]{2})(?:[.,]([0-9]{1,9}))?")
_COMMENTS = ("#", "%", "//")
_SPACES = re.compile(r"[ \t\f\v]+")
SPACE = " \t\f\v"
WHITESPACE = " "
_NANOSECONDS = 1_000_000_000


def lines_of(text: str) -> Iterator[str]:
    """Return the lines of a text without their line breaks (LF, CR or CRLF)."""
    return (line.rstrip("\n") for line in StringIO(text, newline=None))


def strip(text: str) -> str:
    """Return a text without surrounding ASCII spaces and tabs; other spaces may be part of a name."""
    return text.strip(SPACE)


def is_blank(line: str) -> bool:
    """Return True for an empty line or a comment."""
    stripped = line.strip(SPACE)
    return not stripped or stripped.startswith(_COMMENTS)


def without_comment(line: str) -> str:
    """Return a line of numbers without a comment at its end."""
    return line.split("#", 1)[0]


def split(line: str, separator: str | None) -> list[str]:
    """Return the cells of a line, without quotes and surrounding space; without a separator the line is one cell."""
    if separator is None:
        return [_bare(line)]
    if separator == WHITESPACE:
        return [_bare(cell) for cell in _SPACES.split(line.strip(SPACE))]
    if '"' not in line and "'" not in line:
        return [cell.strip(SPACE) for cell in line.split(separator)]
    cells, cell, quote = [], "", ""
    for character in line:
        if quote:
            quote = "" if character == quote else quote
            cell += character
        elif character == separator:
            cells.append(_bare(cell))
            cell = ""
        else:
            if character in "\"'" and not cell.strip(SPACE):
                quote = character
            cell += character
    return [*cells, _bare(cell)]


def _bare(cell: str) -> str:
    cell = cell.strip(SPACE)
    if len(cell) > 1 and cell[0] in "\"'" and cell[-1] == cell[0]:
        return cell[1:-1].replace(cell[0] * 2, cell[0]).strip(SPACE)
    return cell


def with_point(cell: str) -> str:
    """Return a number with its decimal comma replaced by a point, and any other text unchanged."""
    found = _DECIMAL_COMMA.fullmatch(cell)
    return f"{found[1]}.{found[2]}" if found else cell


def is_pointed(cell: str) -> bool:
    """Return True for an integer or a number with a decimal point."""
    return _NUMBER.fullmatch(cell) is not None


def whole_number(cell: str) -> int | None:
    """Return the exact value of a number with a decimal point, below 2^64, or None if it is not an integer."""
    found = _SCIENTIFIC.fullmatch(cell)
    if found is None:
        return None
    sign, before, after, below, exponent = found.groups()
    digits = (before + after).lstrip("0")
    if not digits:
        return 0
    point = len(digits) - len(after) + int(f"{below or ''}{exponent or 0}")
    if digits[max(point, 0) :].strip("0"):
        return None
    # Slices and ljust, because int() refuses thousands of digits, which may all be decimals.
    value = int(digits[: max(point, 0)].ljust(point, "0"))
    return -value if sign == "-" else value


def is_number(cell: str) -> bool:
    """Return True for a number with either decimal mark."""
    return bool(_NUMBER.fullmatch(cell) or _DECIMAL_COMMA.fullmatch(cell))


def is_time(cell: str) -> bool:
    """Return True for a date with a time, and for a time with colons."""
    return nanoseconds(cell) is not None


def nanoseconds(cell: str) -> tuple[int, int, int] | None:
    """Return a date and time as days, nanoseconds and the number of its decimals, a time alone with 0 days.

    None if the cell is neither.
    """
    if found := _DATE_TIME.fullmatch(cell):
        year, month, day, *clock = (*found.groups()[:6], found[7])
    elif found := _CLOCK_DATE.fullmatch(cell):
        clock = [found[1], found[2], found[3], found[4]]
        year, month, day = found[7], found[6], found[5]
    elif found := _CLOCK.fullmatch(cell):
        return 0, _of_clock(*found.groups()), len(found[4] or "")
    else:
        return None
    hours, minutes, seconds, _ = clock
    try:
        moment = datetime(
            int(year or 0), int(month or 0), int(day or 0), int(hours or 0), int(minutes or 0), int(seconds or 0)
        )
    except ValueError:
        return None
    return moment.toordinal(), _of_clock(*clock), len(clock[3] or "")


def iso_date(cell: str) -> str | None:
    """Return a date and time in ISO 8601, with its time zone if given, or None if the cell is not one."""
    found = _DATE_TIME.fullmatch(cell)
    if found is None or nanoseconds(cell) is None:
        return None
    year, month, day, hours, minutes, seconds, fraction, zone = found.groups()
    zone = "+00:00" if zone == "Z" else zone or ""
    zone = zone if ":" in zone or not zone else f"{zone[:3]}:{zone[3:]}"
    digits = (fraction or "")[:6].rstrip("0")
    fraction = f".{digits.ljust(6, '0')}" if digits else ""
    return f"{year}-{month:0>2}-{day:0>2}T{hours:0>2}:{minutes}:{seconds or '00'}{fraction}{zone}"


def _of_clock(hours: str | None, minutes: str | None, seconds: str | None, fraction: str | None) -> int:
    whole = int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    return whole * _NANOSECONDS + int((fraction or "").ljust(9, "0"))
