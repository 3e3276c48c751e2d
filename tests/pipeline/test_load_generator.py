"""The benchmarks' load generator works with the pipeline: submissions are accepted, and followed to their insights."""

from pathlib import Path

import pytest

from benchmarks.ecgs import SMALL, USERNAME, bodies
from benchmarks.live import announced
from benchmarks.live_load import BEGINNING, LiveSpec
from benchmarks.load import Follow, Spec, build_post, headers
from benchmarks.run import Run, generate
from local_stack.kafka import Distribution
from shared.security.ids import IdIssuer
from tests.support.pipeline import SECRET, Pipeline


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


@pytest.mark.parametrize("straight", [False, True])
async def test_live_recordings_are_followed_chunk_by_chunk(pipeline: Pipeline, *, straight: bool) -> None:
    token = await pipeline.register(USERNAME)
    gateway = pipeline.gateways[0].url
    issuer = IdIssuer(SECRET)
    ids = (
        [issuer.issue(USERNAME, recording=True) for _ in range(20)] if straight else await announced(gateway, token, 20)
    )
    spec = LiveSpec(
        targets=[("127.0.0.1", int(gateway.rpartition(":")[2]))],
        connections=8,
        seconds=1.0,
        warmup=2.0,
        rate=20.0,
        follow=Follow(10.0, 0.005, headers(token), "/recordings"),
        ids=ids,
        token=token,
        topic=f"{pipeline.settings.topic_prefix}.chunks",
        servers=pipeline.settings.bootstrap_servers if straight else None,
    )
    result = await generate(spec, module="benchmarks.live_load")
    # A tenth of the recordings begins in each of the three seconds.
    assert BEGINNING == 10
    assert result.statuses == {201: 2 + 4 + 6}
    assert len(result.latencies) == 6
    assert result.stale == result.unanswered == 0
    assert result.fresh
