"""The command `ecg`, run to its end."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import orjson

from tests.support import fork_server
from tests.support.conditions import DEADLINE
from tests.support.paths import ROOT

# What its commands import, but not the commands themselves, which read the environment as they are imported.
_LIBRARIES = ("ecg_client.batch", "ecg_client.kafka", "edfio", "rich.progress", "rich.table", "typer", "wfdb")


@dataclass
class Done:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.out.splitlines()]


async def ecg(*arguments: str | Path, env: Mapping[str, str]) -> Done:
    """Run `ecg` with arguments and with these environment variables only."""
    with TemporaryFile("w+") as out, TemporaryFile("w+") as err:
        run = ["-m", "ecg_client", *map(str, arguments)]
        running = fork_server.start(run, env, ROOT, out, err, *_LIBRARIES)
        code = await asyncio.to_thread(running.wait, DEADLINE)
        for file in (out, err):
            file.seek(0)
        return Done(code, out.read(), err.read())
