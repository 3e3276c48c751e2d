"""The lifetime of processes that tests start."""

import signal
from collections.abc import Callable

from local_stack.lifetime import dies_with_parent


def as_a_child() -> Callable[[], None]:
    """Return a `preexec_fn` for a process that a test starts.

    The process dies with the one that runs the tests, and does not ignore SIGINT: tests that run in the background or
    with `nohup` ignore it, and children would inherit that. As with `dies_with_parent`, call it in the main thread.
    """
    die = dies_with_parent()

    def prepare() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        die()

    return prepare
