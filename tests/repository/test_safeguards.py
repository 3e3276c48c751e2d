"""The list of safeguards names existing code and tests, and covers all promises of docs/security.md."""

import re

import pytest

from tests.safeguards import ROOT, Safeguard, safeguards

PAGE = ROOT / "docs" / "security.md"


def test_names_are_unique() -> None:
    names = [guard.name for guard in safeguards()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("guard", safeguards(), ids=lambda guard: guard.name.replace(" ", "-"))
def test_the_code_and_the_tests_of_a_safeguard_exist(guard: Safeguard) -> None:
    path = ROOT / guard.file
    assert guard.removed_from(path.read_text()) != path.read_text()
    for test in guard.tests:
        file, *_, name = test.split("::")
        assert f"def {name.partition('[')[0]}(" in (ROOT / file).read_text()


def test_every_promise_names_tests_of_safeguards() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.count(" | ") == 2 and "`test_" in line]
    assert len(rows) > 20
    guarded = {test.partition("::")[2] for guard in safeguards() for test in guard.tests}
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row.split(" | ")[-1])
        assert named
        assert set(named) <= guarded, "some of these tests belong to no safeguard"
