"""The project's folder, and the real recordings beside it."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Real recordings, which are not a part of the project; the variable names another folder.
RECORDINGS = Path(os.environ.get("ECG_TEST_RECORDINGS") or ROOT.parent / "shared" / "data")


def recordings() -> list[Path]:
    """Return the paths of the real recordings; skip the test if they are missing."""
    if not RECORDINGS.exists():
        pytest.skip(f"no recordings in {RECORDINGS}")
    return [RECORDINGS / name for name in ("100", "s0010_re", "test01_00s")]
