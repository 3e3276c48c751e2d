"""Safeguards and the tests that must fail without them: `make safeguards` removes one at a time (mutation testing)."""

import tomllib
from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[2]
LIST = Path(__file__).with_name("safeguards.toml")


class Safeguard(msgspec.Struct, frozen=True):
    """A piece of code, the code that replaces it, and the tests that must fail then, with their pytest options."""

    name: str
    file: str
    code: str
    instead: str
    tests: list[str]
    options: list[str] = []

    def removed_from(self, text: str) -> str:
        """Return the text of the file without this safeguard.

        Raises:
            ValueError: if the code is not there exactly once.
        """
        if text.count(self.code) != 1:
            raise ValueError(f"{self.name}: found {text.count(self.code)} times in {self.file}")
        return text.replace(self.code, self.instead)


def safeguards() -> list[Safeguard]:
    """Return all safeguards."""
    return msgspec.convert(tomllib.loads(LIST.read_text())["safeguard"], list[Safeguard])
