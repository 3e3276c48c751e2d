"""The benchmarks' load generator works with the pipeline: submissions are accepted, and followed to their insights."""

from pathlib import Path

from benchmarks.load import Follow, Spec, build_post, headers
from benchmarks.recordings import SMALL, bodies
from benchmarks.run import Run, generate
from local_stack.kafka import Distribution
from tests.support.pipeline import Pipeline


async def test_an_open_loop_follows_submissions_to_their_insights(pipeline: Pipeline, tmp_path: Path) -> None:
    token = await pipeline.register("load")
    run = Run(Distribution("java", tmp_path), tmp_path, quick=True)
    spec = Spec(
        targets=[("127.0.0.1", int(gateway.url.rpartition(":")[2])) for gateway in pipeline.gateways],
        requests=run.requests("load", [build_post("/ecgs", token, body) for body in bodies(SMALL)]),
        connections=8,
        seconds=1.0,
        warmup=0.5,
        rate=40.0,
        follow=Follow(rate=10.0, interval=0.005, headers=headers(token)),
    )
    result = await generate(spec)
    assert result.statuses == {201: 60}
    assert len(result.latencies) == 40
    assert result.stale == result.unanswered == 0
    assert len(result.fresh) >= 5
    assert all(0 < milliseconds < 2000 for milliseconds in result.fresh)
