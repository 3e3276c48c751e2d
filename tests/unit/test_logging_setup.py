"""Which lines are written: those from the level up, of libraries only what needs attention, repeated ones seldom."""

import json
import logging
import subprocess
import sys

import pytest

from shared.logging_setup import Repetitions
from tests.support.clock import Clock
from tests.support.paths import ROOT

LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR"]
# Each of these loggers writes a line on each level; the last one is a service of Faust, of a class of ours.
SPEAKERS = """
import logging
import sys

import structlog
from mode import Service

from shared import logging_setup

class Ours(Service):
    __module__ = "stream_agents.ours"

logging_setup.configure(sys.argv[1], "json")
libraries = [logging.getLogger(name) for name in ("faust", "aiokafka.conn", "uvicorn.error")]
for speaker in (structlog.get_logger("stream_agents"), *libraries, Ours().log):
    for level in ("debug", "info", "warning", "error"):
        getattr(speaker, level)(f"a line of {level}")
"""


def written(level: str) -> dict[str, list[str]]:
    """Return the levels of the lines that each logger writes in a process with this setting."""
    done = subprocess.run([sys.executable, "-c", SPEAKERS, level], capture_output=True, text=True, check=True, cwd=ROOT)
    found: dict[str, list[str]] = {}
    for line in map(json.loads, done.stderr.splitlines()):
        found.setdefault(line["logger"], []).append(line["level"].upper())
    return found


@pytest.mark.parametrize("level", LEVELS)
def test_one_setting_decides_about_every_logger(level: str) -> None:
    all_from_here = LEVELS[LEVELS.index(level) :]
    warnings = [each for each in all_from_here if each in ("WARNING", "ERROR")]
    faust = all_from_here if level == "DEBUG" else warnings
    # At DEBUG these would show messages and requests.
    indiscreet = ["INFO", *warnings] if level == "DEBUG" else warnings
    assert written(level) == {
        "stream_agents": all_from_here,
        "faust": faust,
        "aiokafka.conn": indiscreet,
        "uvicorn.error": indiscreet,
        "stream_agents.ours": faust,
    }


def record(name: str = "aiokafka.conn", node: int = 1) -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, __file__, 1, "no connection to node %s", (node,), None)


def test_a_line_is_written_once_in_ten_seconds_with_how_often_it_came() -> None:
    clock = Clock()
    repetitions = Repetitions(clock)
    written = []
    for _ in range(25):
        written += [r.getMessage() for r in (record(node=1), record(node=2)) if repetitions.filter(r)]
        clock.now += 1
    more = "(and 9 more times since the last such line)"
    assert written == [
        f"no connection to node {node}{suffix}" for suffix in ("", f" {more}", f" {more}") for node in (1, 2)
    ]


def test_our_own_lines_are_all_written() -> None:
    repetitions = Repetitions(Clock())
    assert all(repetitions.filter(record("ingest_api.publisher")) for _ in range(5))


def test_lines_that_all_differ_do_not_fill_the_memory() -> None:
    repetitions = Repetitions(Clock())
    for node in range(5000):
        assert repetitions.filter(record(node=node))
    assert len(repetitions._written) <= 1000
