"""Lists that are printed on terminals of any width."""

import io
import uuid

import pytest
from rich.console import Console

from ecg_client.cli import output

ID = str(uuid.uuid4())


@pytest.mark.parametrize("width", [30, 39, 40, 45, 80, 200])
def test_an_id_is_printed_whole(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = io.StringIO()
    monkeypatch.setattr(output, "out", Console(file=printed, width=width, markup=False, highlight=False))
    output.print_list({"id": [ID], "accepted": ["2026-01-01 12:00:00"]}, [False], [])
    # In one piece, or folded.
    assert ID in "".join(row.split("│")[1].strip() for row in printed.getvalue().splitlines() if row.startswith("│"))
    assert ("too narrow for this list" in capsys.readouterr().err) == (width < 80)
