"""Pages of the site that are not files of `docs/`, and links between those and the files of the repository's root."""

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_HERE = Path(__file__).parent
_ROOT = _HERE.parent
_DOCS = _ROOT / "docs"
_REFERENCES = ("http-reference.md", "messages.md")
# Files of the repository's root, and the pages that they are on the site.
_FROM_ROOT = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
    "CHANGELOG.md": "changelog.md",
}
_MADE = (*_FROM_ROOT.values(), "decisions/index.md", *_REFERENCES)
_ROOT_LINK = re.compile(rf"\]\(((?:\.\./)*)({'|'.join(map(re.escape, _FROM_ROOT))})")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Leave pages out of the navigation that do not exist, and put every decision into it."""
    config.nav = _existing(config.nav or [])
    for section in config.nav:
        if isinstance(section, dict) and "Work on it" in section:
            at = section["Work on it"].index("decisions/index.md") + 1
            section["Work on it"].insert(at, {"Decisions": [f"decisions/{path.name}" for path in _decisions()]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that stand elsewhere: those of the root, the list of decisions, and the references."""
    for name, page in _FROM_ROOT.items():
        text = (_ROOT / name).read_text().replace("](docs/", "](")
        files.append(File.generated(config, page, content=text))
    rows = [f"- [{_title(path)}]({path.name})" for path in _decisions()]
    files.append(File.generated(config, "decisions/index.md", content="\n".join(["# Decisions", "", *rows])))
    for name in _REFERENCES:
        files.append(File.generated(config, name, abs_src_path=str(_HERE / name)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Have links to files of the root lead to their pages, and those to the folder of decisions to the list."""
    up = "../" * page.file.src_uri.count("/")
    markdown = _ROOT_LINK.sub(lambda link: f"]({up}{_FROM_ROOT[link[2]]}", markdown)
    return markdown.replace("](decisions)", "](decisions/index.md)")


def _existing(nav: list[Any]) -> list[Any]:
    kept: list[Any] = []
    for entry in nav:
        if isinstance(entry, dict):
            kept.append({title: _existing(inner) for title, inner in entry.items()})
        elif entry in _MADE or (_DOCS / entry).exists():
            kept.append(entry)
    return kept


def _decisions() -> list[Path]:
    return sorted((_DOCS / "decisions").glob("[0-9]*.md"))


def _title(path: Path) -> str:
    return path.read_text().partition("\n")[0].removeprefix("# ")
