"""Safeguards, each with the tests that must fail without it: `make safeguards` takes them away, one at a time."""

import tomllib
from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[2]
LIST = Path(__file__).with_name("safeguards.toml")


class Safeguard(msgspec.Struct, frozen=True):
    """A piece of code, what is put in its place to take it away, and the tests that notice, with pytest's options."""

    name: str
    file: str
    code: str
    instead: str
    tests: list[str]
    options: list[str] = []

    def removed_from(self, text: str) -> str:
        """Return a file's text without it.

        Raises:
            ValueError: unless the code is there exactly once.
        """
        if text.count(self.code) != 1:
            raise ValueError(f"{self.name}: found {text.count(self.code)} times in {self.file}")
        return text.replace(self.code, self.instead)


def safeguards() -> list[Safeguard]:
    """Return all of them."""
    return msgspec.convert(tomllib.loads(LIST.read_text())["safeguard"], list[Safeguard])
