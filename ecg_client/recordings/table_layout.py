"""The layout of a table: its first line of numbers, its separator, its decimal mark and its headings."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from ecg_client.recordings import table_cells as cells
from ecg_client.recordings.channels import is_lead_name
from ecg_client.recordings.recording import NoRecording, UnreadableRecording
from ecg_client.recordings.table_heading import Heading, heading_of, with_units

# The layout is taken from the first lines of numbers; the lines before them are a header.
_HEAD, _MOST_BEFORE = 100, 1000
_SEPARATORS = ("\t", ";", "|", ",")
_ANY_SEPARATOR = re.compile(r"[\t\f\v;|, ]+")
_SPACED = re.compile(r"[^ \t\f\v,] +[^ \t\f\v,]")
_DAY = re.compile(r"[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2} [0-9]{1,2}:|:[0-9.]+ [0-9]{1,2}/[0-9]{1,2}/[0-9]{4}")
_ZERO_BEFORE = re.compile(r",0[0-9]|(?:^|[\n\r])[+-]0,")
_ZERO_PADDED = re.compile(r"[+-]?0[0-9]+")
_INTEGER_PART, _DECIMALS = re.compile(r"[+-]?[0-9]*"), re.compile(r"([0-9]+)(e[+-]?[0-9]+)?[ \t\f\v]*", re.IGNORECASE)
# Excel's hint at the separator.
_EXCEL = re.compile(r"\"?sep=.?\"?", re.IGNORECASE)
_THOUSANDS = {mark: re.compile(rf"[+-]?[1-9][0-9]{{0,2}}(?:{re.escape(mark)}[0-9]{{3}})+") for mark in ",."}
_TWO = 2


@dataclass(frozen=True)
class Layout:
    """The separator (None: one cell a line), the decimal mark, the number of lines before the numbers, and headings.

    `indented` is the number of the line of names if it is indented and the numbers are not: the first column may have
    no name then, and one of the names a space.
    """

    separator: str | None
    decimal: str
    skip: int
    headings: tuple[Heading, ...]
    named: bool
    indented: int | None = None


def layout_of(text: str) -> Layout:
    """Return the layout of a table.

    Raises:
        UnreadableRecording: if it has no numbers, or its commas may be either separators or decimal marks.
    """
    before = [(i, line) for i, line in enumerate(islice(cells.lines_of(text), _MOST_BEFORE), start=1)]
    if before and _EXCEL.fullmatch(before[0][1]):
        before[0] = (1, "")
    first = next((i for i, (_, line) in enumerate(before) if not cells.is_blank(line) and _is_data(line)), None)
    if first is None:
        raise _without_numbers(before)
    headers = [(number, line) for number, line in before[:first] if not cells.is_blank(line)]
    if len(headers) > _TWO:
        raise _unexpected(headers[1][0])
    data = [cells.without_comment(line) for _, line in before[first:] if not cells.is_blank(line)][:_HEAD]
    header = headers[0][1] if headers else None
    separator, decimal = _separator(data, header, before[first][0], text)
    if (doubt := _thousands(data, text, separator, decimal, first)) is not None:
        raise UnreadableRecording(f"line {before[first][0]}: {doubt}")
    cells_of_first = cells.split(data[0], separator)
    names = (
        cells.split(header, separator)
        if header is not None
        else _commented(before[:first], separator, len(cells_of_first))
    )
    # Lines may end with a separator, and so may the names.
    width = len(cells_of_first)
    if width > 1 and not cells_of_first[-1] and (names is None or len(names) < width or not names[-1]):
        width -= 1
    if names is not None and len(names) == width + 1 and not names[-1]:
        names = names[:-1]
    if header is None:
        is_numbering = names is None and _is_numbering(cells_of_first[:width])
        if is_numbering or ((separator, decimal) == (",", ".") and _may_be_decimals(data, text, first)):
            doubt = (
                "may number the columns or hold samples"
                if is_numbering
                else "its commas may separate columns or be decimal marks"
            )
            raise UnreadableRecording(f"line {before[first][0]}: {doubt}: name the columns in the first line")
    if names is None:
        return Layout(
            separator, decimal, first, tuple(Heading(f"column {number}") for number in range(1, width + 1)), False
        )
    # Programs that print a table write no name above the numbers of its rows.
    is_indented = header is not None and separator == cells.WHITESPACE and _are_indented(header, data)
    if is_indented and len(names) == width - 1:
        names, is_indented = ["", *names], False
    if header is not None and len(names) != width:
        raise UnreadableRecording(_disagreement(headers[0][0], len(names), before[first][0], width, separator))
    headings = [heading_of(name) for name in names]
    if len(headers) == _TWO:
        headings = _with_units(headings, *headers[1], separator)
    return Layout(separator, decimal, first, tuple(headings), True, headers[0][0] if is_indented else None)


def _with_units(headings: Sequence[Heading], number: int, line: str, separator: str | None) -> list[Heading]:
    united = with_units(headings, cells.split(line, separator))
    if united is None:
        raise _unexpected(number)
    return united


def _are_indented(header: str, data: Sequence[str]) -> bool:
    """Return True if the line of names is indented, and the lines of numbers are not."""
    return header[0] in cells.SPACE and not any(line[0] in cells.SPACE for line in data)


def _is_data(line: str) -> bool:
    """Return True for a line of numbers, times and empty cells, with any separator."""
    if any(cells.is_time(cell) for separator in (*_SEPARATORS, None) for cell in cells.split(line, separator)[:1]):
        return True
    bare = cells.without_comment(line).replace('"', " ").replace("'", " ")
    found = [token for token in _ANY_SEPARATOR.split(bare) if token]
    return bool(found) and all(cells.is_pointed(token) or cells.is_time(token) for token in found)


def _unexpected(number: int) -> UnreadableRecording:
    return UnreadableRecording(
        f"line {number}: holds text where numbers are expected, after one line of names: "
        "remove the lines above the names"
    )


def _without_numbers(before: Sequence[tuple[int, str]]) -> UnreadableRecording:
    """Return the error for a text without a line of numbers: a broken table if it is empty or first names leads."""
    lines = [(number, line) for number, line in before if not cells.is_blank(line)]
    names = [heading_of(cell).name for _, line in lines[:1] for mark in _SEPARATORS for cell in cells.split(line, mark)]
    kind = UnreadableRecording if not names or any(map(is_lead_name, names)) else NoRecording
    if len(lines) < _TWO:
        return kind("has no samples")
    number, line = lines[1]
    separator = next((mark for mark in _SEPARATORS if mark in line), None)
    column = next(i for i, cell in enumerate(cells.split(line, separator), 1) if not cells.is_number(cell))
    return kind(f"line {number}, column {column}: must be a number")


def _separator(data: Sequence[str], header: str | None, at: int, text: str) -> tuple[str | None, str]:
    """Return the separator of cells and the decimal mark."""
    first = data[0]
    separator = next((mark for mark in _SEPARATORS if len(cells.split(first, mark)) > 1), None)
    if separator in (None, ",") and _SPACED.search(_DAY.sub("", first)) and '"' not in first and "'" not in first:
        separator = cells.WHITESPACE
    if separator != ",":
        comma = any("," in cell for line in data for cell in cells.split(line, separator) if not cells.is_time(cell))
        return separator, "," if comma else "."
    rows = [cells.split(line, ",") for line in data]
    if any("," in cell and not cells.is_time(cell) for row in rows for cell in row):
        if any(_ZERO_PADDED.fullmatch(cell) for row in rows for cell in row):
            raise _decimal_marks(at)
        return ",", ","
    if any(cells.is_time(cell) for cell in rows[0]) or any("." in cell for row in rows for cell in row):
        return ",", "."
    return _comma(rows, len(cells.split(header, ",")) if header is not None else None, at, text)


def _comma(rows: Sequence[Sequence[str]], names: int | None, at: int, text: str) -> tuple[str | None, str]:
    """Return the separator and the decimal mark of a table whose only marks are commas between digits."""
    pairs = all(len(row) == _TWO for row in rows)
    zeros = _ZERO_BEFORE.search(text) is not None
    if pairs and (names == 1 or (names is None and zeros)):
        return None, ","
    if zeros:
        raise _decimal_marks(at)
    return ",", "."


def _decimal_marks(at: int) -> UnreadableRecording:
    return UnreadableRecording(
        f"line {at}: its commas may be decimal marks: separate columns with semicolons or tabs, or write decimal points"
    )


def _may_be_decimals(data: Sequence[str], text: str, skip: int) -> bool:
    """Return True if commas of a table without names, in which they are the only marks, may be decimal marks.

    Decimals follow their comma at once and without a sign. If the first line has commas with a space after them, these
    separate columns, and the others may be decimal marks; if it has none, every second comma may be, from the right.
    Then integers of several columns look like decimals too: they are doubted if all have one length, and are of one
    digit, or only numbers before them have signs, or only they have exponents. Several decimals would begin with a zero
    somewhere, which is looked for elsewhere.
    """
    first = _between_commas(data[0])
    width = len(first) if cells.strip(first[-1]) else len(first) - 1
    spaced = [k for k in range(1, width) if first[k] != first[k].lstrip(cells.SPACE)]
    after = {k for k in range(1, width) if k not in spaced} if spaced else set(range(width - 1, 0, -2))
    if not after or any(k - 1 in after for k in after):
        return False
    lengths: set[int] = set()
    signs = exponents = False
    # The first lines decide about most tables.
    for rows in (data, _all_data(text, skip)):
        for line in rows:
            row = _between_commas(line)
            if len(row) != len(first) or any(map(cells.strip, row[width:])):
                return False
            for k, cell in enumerate(row[:width]):
                if k not in after:
                    integer = cell.lstrip(cells.SPACE) if k + 1 in after else cells.strip(cell)
                    if not _INTEGER_PART.fullmatch(integer):
                        return False
                    signs = signs or (k + 1 in after and integer[:1] in ("+", "-"))
                elif found := _DECIMALS.fullmatch(cell):
                    lengths.add(len(found[1]))
                    exponents = exponents or found[2] is not None
                else:
                    return False
        if width > _TWO and not spaced and len(lengths) > 1:
            return False
    return width == _TWO or bool(spaced) or lengths == {1} or signs or exponents


def _between_commas(line: str) -> list[str]:
    return cells.strip(line).split(",")


def _all_data(text: str, skip: int) -> Iterator[str]:
    """Return all lines of numbers, without comments."""
    return (
        cells.without_comment(line) for line in islice(cells.lines_of(text), skip, None) if not cells.is_blank(line)
    )


def _thousands(data: Sequence[str], text: str, separator: str | None, decimal: str, skip: int) -> str | None:
    """Return the doubt about marks that may separate thousands, or None."""
    mark = "," if decimal == "," else "." if separator == ";" else ""
    if not mark or not _may_be_thousands(data, text, separator, mark, skip):
        return None
    marks, otherwise = ("commas", "write decimal points") if mark == "," else ("points", "separate columns with commas")
    return f"its {marks} may separate thousands or be decimal marks: remove separators of thousands, or {otherwise}"


def _may_be_thousands(data: Sequence[str], text: str, separator: str | None, mark: str, skip: int) -> bool:
    """Return True if each mark in the numbers may separate thousands, as in 1,234.

    Points are decimal marks in most countries, so they are doubted only in columns that have integers too.
    """
    # The first lines decide about most tables.
    for rows in (data, _all_data(text, skip)):
        marked: set[int] = set()
        bare: set[int] = set()
        for line in rows:
            for k, cell in enumerate(cells.split(line, separator)):
                if mark not in cell:
                    bare.add(k)
                elif not cells.is_time(cell):
                    if not _THOUSANDS[mark].fullmatch(cell):
                        return False
                    marked.add(k)
        if not (marked if mark == "," else marked & bare):
            return False
    return True


def _is_numbering(row: Sequence[str]) -> bool:
    """Return True for a line 0, 1, 2 ..., which pandas writes above columns without names, or for 1, 2, 3 ..."""
    numbers = row if row[0] else row[1:]
    if not numbers or not (numbers[0] == "0" or (numbers[0] == "1" and len(numbers) > _TWO)):
        return False
    first = int(numbers[0])
    return (len(numbers) > 1 or not row[0]) and list(numbers) == [str(first + i) for i in range(len(numbers))]


def _commented(before: Sequence[tuple[int, str]], separator: str | None, width: int) -> list[str] | None:
    """Return the names in the comment above the numbers, as NumPy writes them, or None."""
    comments = [cells.strip(line).lstrip("#%/ ") for _, line in before if cells.strip(line)]
    if not comments or width == 1:
        return None
    names = cells.split(comments[-1], separator)
    return names if len(names) == width and not any(cells.is_number(name) or not name for name in names) else None


def _disagreement(header: int, names: int, line: int, width: int, separator: str | None) -> str:
    hint = {
        ",": "; if its commas are decimal marks, separate columns with semicolons or tabs",
        cells.WHITESPACE: "; if names hold spaces, separate columns with semicolons or tabs",
    }.get(separator or "", "")
    return f"line {header} names {names} columns, and line {line} has {width}{hint}"
