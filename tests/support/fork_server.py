"""A process that has imported a program once, and forks itself for each time that a test starts the program.

A gateway or a worker takes 1.5 s of CPU to import, and tests start hundreds of them. A forked one is the same program
in a process of its own, with the environment, arguments, directory, output, session and signals that it was given. It
differs from `python -m` in what was before its first line: variables that Python or an import reads are the server's,
and /proc shows the server's command and memory. The tests of the runner, of memory and of faults start the real
command, and the compose file and the benchmarks do.

The server dies with the tests, and every forked process with the server.
"""

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import IO, Any, NoReturn

from local_stack.lifetime import dies_with_parent
from tests.support.lifetime import as_a_child

_NUMBER = struct.Struct("=i")


class Forked:
    """A forked process, with those parts of `subprocess.Popen` that tests use."""

    def __init__(self, state: socket.socket) -> None:
        # First the id of the process comes, and at its end the exit code.
        self._state = state
        (self.pid,) = _NUMBER.unpack(state.recv(_NUMBER.size, socket.MSG_WAITALL))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, or None while the process runs."""
        if self.returncode is None and select.select([self._state], [], [], 0)[0]:
            # Left in the socket, because another thread may wait for it.
            code = self._state.recv(_NUMBER.size, socket.MSG_PEEK)
            # Without a code, the server was killed, and the process with it.
            self.returncode = _NUMBER.unpack(code)[0] if code else -signal.SIGKILL
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code of the process once it has ended."""
        select.select([self._state], [], [], timeout)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """The server for one program, as the tests see it."""

    def __init__(self, *modules: str) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", __name__, *modules],
                cwd=Path(__file__).parents[2],
                # No thread may run when it forks, and only NumPy's would.
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
                stdin=theirs.fileno(),
                start_new_session=True,
                preexec_fn=as_a_child(),  # noqa: PLW1509 - it takes no lock
            )

    def start(self, run: Sequence[str], env: Mapping[str, str], cwd: Path, out: IO[Any], err: IO[Any]) -> Forked:
        """Fork a process that runs `-m module` or `-c program`, each with arguments, in a session of its own."""
        ours, theirs = socket.socketpair()
        with theirs:
            request = json.dumps({"run": list(run), "env": dict(env), "cwd": str(cwd)}).encode()
            socket.send_fds(self._requests, [request], [theirs.fileno(), out.fileno(), err.fileno()])
        return Forked(ours)


def start(
    run: Sequence[str], env: Mapping[str, str], cwd: Path, out: IO[Any], err: IO[Any], *modules: str
) -> "Forked | subprocess.Popen[bytes]":
    """Run `-m module` or `-c program` in a session of its own, forked from a server that has imported these modules."""
    if sys.platform != "linux":  # a fork without an exec is not safe with the libraries of other systems
        return subprocess.Popen(
            [sys.executable, *run], env=env, cwd=cwd, stdout=out, stderr=err, start_new_session=True
        )
    return server(*modules).start(run, env, cwd, out, err)


@cache
def server(*modules: str) -> ForkServer:
    """Return this process's server that has imported these modules, started at the first call."""
    return ForkServer(*modules)


def _serve() -> dict[str, Any]:
    """Fork a process for each request; return only in it, with the request."""
    requests = socket.socket(fileno=os.dup(sys.stdin.fileno()))
    # Nobody waits for the processes between the server and the programs.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        request, files, _, _ = socket.recv_fds(requests, 1 << 20, 3)
        if not request:
            sys.exit()
        state, out, err = files
        die = dies_with_parent()
        if os.fork() == 0:
            die()
            break
        for fd in files:
            os.close(fd)
    requests.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    die = dies_with_parent()
    if (program := os.fork()) != 0:
        _watch(program, state)
    die()
    os.close(state)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for fd, standard in ((nothing, 0), (out, 1), (err, 2)):
        os.dup2(fd, standard)
        os.close(fd)
    os.setsid()
    return dict(json.loads(request))


def _watch(program: int, state: int) -> NoReturn:
    """Tell the tests the id of a program, and at its end its exit code."""
    os.write(state, _NUMBER.pack(program))
    # Not reaped before the code is told, so that nobody sends a signal to another process with its id.
    end = os.waitid(os.P_PID, program, os.WEXITED | os.WNOWAIT)
    assert end is not None
    os.write(state, _NUMBER.pack(end.si_status if end.si_code == os.CLD_EXITED else -end.si_status))
    os._exit(0)


def _run(request: dict[str, Any]) -> None:
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    kind, program, *arguments = request["run"]
    sys.argv = [program if kind == "-m" else kind, *arguments]
    # Where Python looks for modules first.
    sys.path[0] = request["cwd"] if kind == "-m" else ""
    if kind == "-m":
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        main = sys.modules["__main__"] = ModuleType("__main__")
        exec(compile(program, "<string>", "exec"), vars(main))  # noqa: S102 - as `python -c` does


if __name__ == "__main__":
    for module in sys.argv[1:]:
        importlib.import_module(module)
        if module.endswith(".__main__"):
            # `-m` runs it as another module.
            del sys.modules[module]
    # A collection would copy what the programs share.
    gc.freeze()
    _run(_serve())
