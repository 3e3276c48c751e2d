"""Run the tests of each safeguard without it, in a copy of the project: `python -m tests.safeguards [NAME ...]`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from local_stack.lifetime import dies_with_parent
from tests.safeguards import ROOT, Safeguard, safeguards

_COPY = ROOT / "build" / "safeguards"
_FAILED = 1  # pytest's exit code if tests ran and some failed


def main() -> int:
    """Print the outcomes; return 0 if every safeguard was missed, that is, if all of its tests failed without it."""
    wanted = sys.argv[1:]
    chosen = [guard for guard in safeguards() if not wanted or any(word in guard.name for word in wanted)]
    _copy()
    missed = [_is_missed(guard) for guard in chosen]
    print(f"{sum(missed)} of {len(chosen)} safeguards were missed by their tests")
    return 0 if chosen and all(missed) else 1


def _copy() -> None:
    shutil.rmtree(_COPY, ignore_errors=True)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        (_COPY / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, _COPY / name)
    # A repository, because a test checks the committed files.
    for command in ("init", "add --all"):
        subprocess.run(["git", *command.split()], cwd=_COPY, capture_output=True, check=True)


def _is_missed(guard: Safeguard) -> bool:
    path = _COPY / guard.file
    text = path.read_text()
    path.write_text(guard.removed_from(text))
    try:
        outcomes = [_run(test, guard.options) for test in guard.tests]
    finally:
        path.write_text(text)
    print(f"{'missed' if all(outcomes) else 'NOT MISSED'}: {guard.name}", flush=True)
    for test, failed in zip(guard.tests, outcomes, strict=True):
        print(f"    {'failed' if failed else 'PASSED'}: {test}", flush=True)
    return all(outcomes)


def _run(test: str, options: list[str]) -> bool:
    """Run a test, and return True if it failed."""
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
        print(done.stdout[-2000:])
    return done.returncode == _FAILED


if __name__ == "__main__":
    sys.exit(main())
