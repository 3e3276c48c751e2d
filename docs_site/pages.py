"""Pages of the site that are no files of `docs/`, and links that lead out of it."""

from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

_HERE = Path(__file__).parent
_ROOT = _HERE.parent
_DOCS = _ROOT / "docs"
_REFERENCES = ("http-api.md", "messages.md")
_MADE = ("index.md", "decisions/index.md", *_REFERENCES)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Leave out of the navigation what is not there, and put every decision into it."""
    config.nav = _existing(config.nav or [])
    for section in config.nav:
        if isinstance(section, dict) and "Work on it" in section:
            section["Work on it"].insert(1, {"Decisions": [f"decisions/{path.name}" for path in _decisions()]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the front page, which is the README, the list of decisions, and the references."""
    readme = (_ROOT / "README.md").read_text().replace("](docs/decisions)", "](decisions/index.md)")
    files.append(File.generated(config, "index.md", content=readme.replace("](docs/", "](")))
    rows = [f"- [{_title(path)}]({path.name})" for path in _decisions()]
    files.append(File.generated(config, "decisions/index.md", content="\n".join(["# Why it is so", "", *rows])))
    for name in _REFERENCES:
        files.append(File.generated(config, name, abs_src_path=str(_HERE / name)))
    return files


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
