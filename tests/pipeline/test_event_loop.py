"""The event loop of gateways and workers: computing does not hold it up, and it is asyncio's own.

After a connection was reset, uvloop's `transport.write` raises RuntimeError where aiokafka expects OSError. This ends
the client's metadata task, and the process hangs. See docs/decisions/0023-event-loop.md.
"""

import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.conditions import eventually
from tests.support.ecgs import insights
from tests.support.pipeline import NewPipeline, Pipeline

# A worker with an insight that takes seconds for ECGs of one sample.
SLOW = """
import time
from pathlib import Path

from stream_agents import insights
from stream_agents.__main__ import main
from stream_agents.insights.contract import Insight

def slow(recording):
    if recording.length == 1:
        Path({begun!r}).touch()
        time.sleep(4)
    return 0

insights.INSIGHTS["slow"] = Insight(name="slow", version=1, scope="ecg", result=int, compute=slow)
main()
"""


def test_no_process_runs_on_uvloop_where_it_is_installed(pipeline: Pipeline) -> None:
    assert find_spec("uvloop"), "uvicorn would choose it by itself"
    for process in [*pipeline.gateways, *pipeline.workers]:
        loaded = Path(f"/proc/{process.running.pid}/maps").read_text()
        assert "aiokafka" in loaded
        assert "uvloop" not in loaded, process.name


@pytest.mark.slow
async def test_a_worker_answers_while_it_computes(new_pipeline: NewPipeline, tmp_path: Path) -> None:
    pipeline, begun = new_pipeline(), tmp_path / "begun"
    pipeline.start_gateway()
    pipeline.start_worker(SLOW.format(begun=str(begun)))
    await pipeline.ready()
    async with pipeline.client(token=await pipeline.register("clinic")) as client:
        quick = (await client.post("/ecgs", json={"leads": [{"name": "I", "signal": [1, -1]}]})).json()["id"]
        await insights(client, quick)
        slow = (await client.post("/ecgs", json={"leads": [{"name": "I", "signal": [1]}]})).json()["id"]
        await eventually(lambda: _exists(begun), what="a slow computation")
        asked = time.perf_counter()
        for _ in range(5):
            assert (await client.get(f"/ecgs/{quick}/insights")).status_code == 200
        assert time.perf_counter() - asked < 2
        assert (await client.get(f"/ecgs/{slow}/insights")).status_code == 202
        await insights(client, slow)


async def _exists(path: Path) -> bool | None:
    return True if path.exists() else None
