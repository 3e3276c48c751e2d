"""The event loop of gateways and workers.

After a connection was reset, uvloop's `transport.write` raises RuntimeError where aiokafka expects OSError. This ends
the client's metadata task, and the process hangs. See docs/decisions/0023-event-loop.md.
"""

from importlib.util import find_spec
from pathlib import Path

from tests.support.pipeline import Pipeline


def test_no_process_runs_on_uvloop_where_it_is_installed(pipeline: Pipeline) -> None:
    assert find_spec("uvloop"), "uvicorn would choose it by itself"
    for process in [*pipeline.gateways, *pipeline.workers]:
        loaded = Path(f"/proc/{process.running.pid}/maps").read_text()
        assert "aiokafka" in loaded
        assert "uvloop" not in loaded, process.name
