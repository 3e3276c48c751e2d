"""Revisions of the project: the one that is measured, and others, checked out beside it."""

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.services import ROOT, Code

# What gateways and workers need.
_LOCK = "requirements-service.lock"
_ENVIRONMENTS = ROOT / "build" / "benchmarks" / "environments"


class UnknownRevisionError(Exception):
    """The revision does not exist in this repository; the message names it."""


def present() -> str:
    """Return the present commit, marked if files other than documents have changed since."""
    changed = _git("status", "--porcelain", "--", ".", ":!docs")
    return commit("HEAD") + (" with changes" if changed else "")


def commit(revision: str) -> str:
    """Return the abbreviated hash of a revision's commit.

    Raises:
        UnknownRevisionError: if there is no such revision.
    """
    try:
        return _git("rev-parse", "--short=8", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    except subprocess.CalledProcessError:
        raise UnknownRevisionError(f"git knows no revision {revision!r}") from None


@contextmanager
def checkout(revision: str, environments: Path = _ENVIRONMENTS) -> Iterator[Code]:
    """Check a revision out into a temporary folder, which is removed when the block is left.

    It runs with this Python's packages if its lock file is the present one. Otherwise it gets an environment of its
    own, which is kept in `environments` for the next time.

    Raises:
        UnknownRevisionError: if there is no such revision.
        subprocess.CalledProcessError: if git or pip fails.
    """
    with tempfile.TemporaryDirectory(prefix="ecg-base-") as directory:
        root = Path(directory) / "checkout"
        _git("worktree", "add", "--quiet", "--detach", str(root), commit(revision))
        try:
            yield Code(root, python_for(root / _LOCK, environments))
        finally:
            _git("worktree", "remove", "--force", str(root))


def python_for(lock: Path, environments: Path) -> str:
    """Return this Python if its packages are those of the lock file, or else that of an environment that has them.

    Raises:
        subprocess.CalledProcessError: if pip fails.
    """
    if lock.read_bytes() == (ROOT / _LOCK).read_bytes():
        return sys.executable
    environment = environments / hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    python, ready = environment / "bin" / "python", environment / ".ready"
    if not ready.exists():
        print(f"Installing the revision's dependencies into {environment} (once, about half a minute)", flush=True)
        _call(sys.executable, "-m", "venv", "--clear", str(environment))
        options = ("-q", "--disable-pip-version-check", "--require-hashes")
        _call(str(python), "-m", "pip", "install", *options, "-r", str(lock))
        ready.touch()
    return str(python)


def _git(*arguments: str) -> str:
    return _call("git", *arguments).strip()


def _call(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603
