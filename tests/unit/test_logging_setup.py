"""Lines that libraries repeat are written once in a while, with their number."""

import logging

from shared.logging_setup import Repetitions
from tests.support.clock import Clock


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
