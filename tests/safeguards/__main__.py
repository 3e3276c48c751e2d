"""Run the tests of each safeguard without it, in a copy of the project: `python -m tests.safeguards [NAME ...]`."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from local_stack.lifetime import dies_with_parent
from tests.safeguards import ROOT, Safeguard, safeguards

_COPY = ROOT / "build" / "safeguards"
_FAILED = 1  # pytest's exit code if tests ran and some failed


def main() -> int:
    """Print the outcomes; return 0 if all tests of every safeguard that can be tried here failed without it."""
    wanted = sys.argv[1:]
    chosen = [guard for guard in safeguards() if not wanted or any(word in guard.name for word in wanted)]
    _copy()
    results = Counter(_try(guard) for guard in chosen)
    untried = f"; {results['not tried']} were not tried" if results["not tried"] else ""
    print(f"{results['missed']} of {len(chosen)} safeguards were missed by their tests{untried}")
    return 0 if results["missed"] and not results["NOT MISSED"] else 1


def _copy() -> None:
    shutil.rmtree(_COPY, ignore_errors=True)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        (_COPY / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, _COPY / name)
    # A repository, because a test checks the committed files.
    for command in ("init", "add --all"):
        subprocess.run(["git", *command.split()], cwd=_COPY, capture_output=True, check=True)


def _try(guard: Safeguard) -> str:
    path = _COPY / guard.file
    text = path.read_text()
    path.write_text(guard.removed_from(text))
    try:
        outcomes = [_run(test, guard.options) for test in guard.tests]
    finally:
        path.write_text(text)
    result = "not tried" if "skipped" in outcomes else "NOT MISSED" if "PASSED" in outcomes else "missed"
    print(f"{result}: {guard.name}", flush=True)
    for test, outcome in zip(guard.tests, outcomes, strict=True):
        print(f"    {outcome}: {test}", flush=True)
    return result


def _run(test: str, options: list[str]) -> str:
    """Run a test; return "failed", "PASSED", or "skipped" if this machine lacks a tool that it needs."""
    recordings = str(Path(os.environ.get("ECG_TEST_RECORDINGS") or ROOT.parent / "shared" / "data"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *options, test],
        cwd=_COPY,
        env={**os.environ, "ECG_TEST_RECORDINGS": recordings},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=dies_with_parent(),
    )
    if done.returncode not in (0, _FAILED):
        sys.exit(f"{test} could not be run:\n{done.stdout[-2000:]}")
    if done.returncode == _FAILED:
        return "failed"
    return "PASSED" if re.search(r"^\d+ passed", done.stdout, re.MULTILINE) else "skipped"


if __name__ == "__main__":
    sys.exit(main())
