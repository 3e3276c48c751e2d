"""The page's readers over the corpus and the reported files: the command's submission to the byte, or its refusal."""

import base64
from pathlib import Path
from typing import Any

import pytest

from ecg_client.idempotency import idempotency_key
from ecg_client.recordings import Calibration, read
from ecg_client.requests import encode
from tests.page.packed_bodies import is_packed_alike
from tests.page.tab import READ, Tab
from tests.recordings.case import Case
from tests.recordings.corpus import CORPUS, name_of, write
from tests.recordings.reported_files import cases

_UNITS = {"": "adc", "mV": "mv", "uV": "uv"}


@pytest.mark.parametrize("case", [*CORPUS, *cases()], ids=name_of)
async def test_a_recording_is_the_same_in_the_page(modules: Tab, tmp_path: Path, case: Case) -> None:
    path = write(case, tmp_path)
    found = next(result for result in await _read(modules, case) if result["name"] == path.name)
    refusal = case.page or case.refusal
    if refusal is not None:
        assert (found.get("kind"), found.get("error")) == ("UnreadableRecording", refusal)
        return
    expected = read(path, Calibration(unit=case.unit, leads=case.wanted))
    assert found.get("error") is None
    assert found["body"].encode() == encode(expected)
    assert is_packed_alike(found["packed"], expected)
    assert found["key"] == idempotency_key(expected)
    assert tuple(found["notes"]) == expected.notes
    assert tuple(tuple(map(tuple, ranges)) for ranges in found["missing"]) == tuple(
        lead.missing for lead in expected.leads
    )


async def _read(tab: Tab, case: Case) -> list[dict[str, Any]]:
    files = [{"name": name, "content": base64.b64encode(content).decode()} for name, content in case.files.items()]
    given = {"unit": _UNITS[case.unit], "samplingRate": None, "leads": list(case.wanted)}
    return list(await tab.run(READ, {"files": files, "csv": given}))
