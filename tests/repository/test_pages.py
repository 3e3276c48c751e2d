"""The pages name only existing files, headings, settings and targets of the Makefile."""

import re
from pathlib import Path

import pytest

from shared.settings import Settings
from tests.support.paths import ROOT

PAGES = sorted(
    [
        *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
        *ROOT.glob("docs/**/*.md"),
    ]
)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
CODE = re.compile(r"^ *```.*?^ *```$|`[^`\n]+`", re.DOTALL | re.MULTILINE)
# Without those that `make` creates.
FOLDERS = {path.parent.name for path in ROOT.glob("[a-z]*/*") if path.parent.name not in ("build", "data")}
# The page about adding an insight adds `last_beats`.
FILE = re.compile(rf"`((?:{'|'.join(FOLDERS)})/[\w/.-]*)(?:::[\w\[\]]+)?`")
VARIABLE = re.compile(r"\bECG_[A-Z0-9_]*[A-Z0-9]\b")
# Variables of the command line, the local runner, the compose file and the tests.
OTHERS = {
    *("ECG_URL", "ECG_TOKEN", "ECG_KAFKA_HOME", "ECG_KAFKA_PORT_1", "ECG_KAFKA_PORT_2", "ECG_KAFKA_PORT_3"),
    *("ECG_GRAFANA_PORT", "ECG_PROMETHEUS_PORT", "ECG_KAFKA_UI_PORT"),
    *("ECG_HTTPS_ADDRESS", "ECG_HTTPS_PORT", "ECG_TLS_DIR"),
    *("ECG_HOSTILE_EXAMPLES", "ECG_HOSTILE_TRIES"),
}


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub and the site generate for a page's headings."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.S | re.M), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for path, anchor in LINK.findall(CODE.sub("", page.read_text())):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{path} does not exist"
        if anchor:
            assert anchor in anchors(target), f"{path} has no heading #{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_is_named_exists(page: Path) -> None:
    named = set(FILE.findall(page.read_text()))
    assert not [path for path in named if not (ROOT / path).exists() and "last_beats" not in path]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_variable_is_a_setting(page: Path) -> None:
    settings = {f"ECG_{name.upper()}" for name in Settings.model_fields}
    # `ECG_INTERNAL_*` stands for all settings with this prefix.
    named = {name for name in VARIABLE.findall(page.read_text()) if not any(s.startswith(f"{name}_") for s in settings)}
    assert named <= settings | OTHERS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_target_is_in_the_makefile(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    code = "\n".join(CODE.findall(page.read_text()))
    named = set(re.findall(r"^(?:`|\s*)make ((?!PYTHON=)[a-z-]+)", code, re.MULTILINE))
    assert named <= targets


def test_the_readme_is_read_in_two_minutes() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 130
