"""Runs the code of the documentation's pages as a reader would."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

# Long enough to download and compile a Go module, which is done once.
_TIMEOUT = 120


@dataclass(frozen=True)
class Section:
    """The code of a section: files by name, and the shell script."""

    files: dict[str, str]
    script: str

    def run(self, directory: Path, here: Callable[[str], str], variables: Mapping[str, str] | None = None) -> str:
        """Write the files, run the script with these variables, and return its output.

        Args:
            directory: of the files.
            here: returns code with this pipeline's addresses and topics.
            variables: of the environment, besides this process's own.
        """
        for name, code in self.files.items():
            (directory / name).write_text(here(code))
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        # `timeout` also ends the processes that the shell has started.
        done = subprocess.run(
            ["timeout", str(_TIMEOUT), "bash", "-euc", here(self.script)],
            cwd=directory,
            env={**os.environ, "PATH": path, **(variables or {})},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout


def sections(page: str) -> dict[str, Section]:
    """Return the sections with a shell script, by title."""
    found = {}
    for part in page.split("\n## ")[1:]:
        title, _, text = part.partition("\n")
        blocks = re.findall(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', text, re.DOTALL | re.MULTILINE)
        files = {name: code for _, name, code in blocks if name}
        if script := "".join(code for language, _, code in blocks if language == "sh"):
            found[title] = Section(files, script)
    return found
