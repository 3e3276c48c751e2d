"""Tools that tests call and a machine may lack."""

import os
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Skip the test because a tool is missing; fail in CI, which has all tools."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)
