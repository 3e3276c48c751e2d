"""The foundations of the benchmarks' figures: statistics, the open loop's schedule, revisions, and the report."""

import asyncio
import contextlib
import itertools
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from benchmarks import day, live, parts, report, revisions, targets
from benchmarks.accept import FORMS, Contender, warm
from benchmarks.compare import Comparison, Variant
from benchmarks.ecgs import LARGE, SMALL, USERNAME, Messages, bodies, packed_bodies, seconds, windows
from benchmarks.live_load import BEGINNING, turn
from benchmarks.load import Accepted, Follow, Load, Result, Spec, build_get, build_post, headers, schedule
from benchmarks.markdown import figure
from benchmarks.process import Sample, steady
from benchmarks.run import Figures, Run
from benchmarks.services import ROOT, Service
from benchmarks.stats import Spread, percentile, ratios, slope
from benchmarks.targets import TARGETS, Target
from benchmarks.watch import Reading, core_share, watch
from ecg_client import read
from local_stack.kafka import Distribution
from shared import encoding
from shared.encoding import packed
from shared.security.ids import IdIssuer


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(i) for i in range(1, 101)]
    assert [percentile(values, p) for p in (1, 50, 99, 99.9, 100)] == [1, 50, 99, 100, 100]
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0
    assert math.isnan(percentile([], 50))


def test_ratios_are_taken_round_by_round() -> None:
    # The whole second round was twice as slow.
    assert ratios([100.0, 50.0, 110.0], to=[50.0, 25.0, 50.0]) == Spread(2.0, 2.0, 2.2)
    assert ratios([1.0], to=[0.0]).median == math.inf
    with pytest.raises(ValueError, match="zip"):
        ratios([1.0], to=[1.0, 2.0])


def test_a_slope_is_the_growth_in_a_unit_of_time() -> None:
    assert slope([0.0, 1.0, 2.0, 3.0], [5.0, 7.0, 9.0, 11.0]) == pytest.approx(2.0)


def test_a_drain_leaves_out_the_start() -> None:
    # Two seconds of start-up, a slow first fifth, then 100 per second.
    samples = [Sample(0, 0, 1.0), Sample(2, 0, 2.0), Sample(2.2, 10, 2.1), Sample(3.2, 20, 2.5)]
    samples += [Sample(3.2 + i / 10, 20 + 10 * i, 2.5 + i / 20) for i in range(1, 9)]
    drain = steady(samples, 100)
    assert drain is not None
    assert drain.rate == pytest.approx(100)
    assert drain.cpu_ms == pytest.approx(5)


def test_a_drain_needs_two_moments_of_progress() -> None:
    samples = [Sample(0, 0, 0), Sample(1, 90, 1), Sample(2, 90, 2), Sample(3, 100, 3)]
    assert steady(samples[:3], 100) is None
    drain = steady(samples, 100)
    assert drain is not None
    assert drain.rate == pytest.approx(5)


def test_an_open_loop_sends_by_a_schedule() -> None:
    times = schedule(rate=200, seconds=2)
    assert len(times) == 400
    assert times[0] == 0
    assert all(after - before == pytest.approx(0.005) for before, after in itertools.pairwise(times))


@pytest.fixture
def spec(tmp_path: Path) -> Callable[..., Spec]:
    def make(port: int, **values: object) -> Spec:
        return Spec([("127.0.0.1", port)], 1, requests=str(tmp_path), seconds=0.5, warmup=0.0, **values)  # type: ignore[arg-type]

    return make


async def test_an_open_loop_charges_a_stall_to_every_request_that_waited(spec: Callable[..., Spec]) -> None:
    stalled = False

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal stalled
        while await reader.readuntil(b"\r\n\r\n"):
            if not stalled:
                stalled = True
                await asyncio.sleep(0.4)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        result = await Load(spec(port, rate=100.0), [build_get("/", "token")]).run()
        closed = await Load(spec(port), [build_get("/", "token")]).run()
    assert result.statuses == {200: 50}
    # During the stall of 0.4 s a request was due every 10 ms. Measured from the time of sending, all but one would look
    # fast. A busy machine only adds to these times.
    assert sum(latency > 100 for latency in result.latencies) >= 27
    assert max(result.latencies) > 390
    assert closed.answered > 0


async def test_a_chunk_is_followed_until_insights_include_it(spec: Callable[..., Spec]) -> None:
    asked = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        with contextlib.suppress(asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                answer = b'{"complete_until": %d}' % (asked * 500)
                status = b"200 OK"
                if head.startswith(b"POST /recordings/a/chunks"):
                    answer = msgspec.json.encode(Accepted("a", first_sample=1000, number_of_samples=500))
                    status = b"201 Created"
                else:
                    assert head.startswith(b"GET /recordings/a/insights ")
                    asked += 1
                writer.write(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(answer), answer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        follow = Follow(rate=0.1, interval=0.001, headers=headers("token"), path="/recordings")
        request = build_post("/recordings/a/chunks", "token", b"")
        result = await Load(spec(port, rate=20.0, follow=follow), [request]).run()
    # Those of 0, 500 and 1000 samples do not include it.
    assert asked == 4
    assert len(result.fresh) == 1
    assert result.stale == 0


@pytest.mark.parametrize("recordings", [3, 20, 500])
def test_live_recordings_take_turns_and_send_all_of_their_chunks(recordings: int) -> None:
    length = BEGINNING + 3
    turns = [turn(number, recordings) for number in range(length * recordings)]
    for recording in range(recordings):
        own = [taken[1] for taken in turns[recording::recordings] if taken is not None]
        assert own == list(range(length - recording % BEGINNING))
    assert {taken[0] for taken in turns if taken is not None} == set(range(recordings))


@pytest.mark.parametrize(
    ("latencies", "fresh", "statuses", "expected"),
    [
        ([10.0] * 100, [10.0] * 99 + [5000.0], {201: 100}, True),
        ([10.0] * 100, [10.0] * 98 + [1001.0] * 2, {201: 100}, False),
        ([10.0] * 98 + [1001.0] * 2, [10.0] * 100, {201: 100}, False),
        ([10.0] * 100, [10.0] * 100, {201: 99, 503: 1}, False),
    ],
)
def test_recordings_are_kept_up_with_if_few_chunks_wait(
    latencies: list[float], fresh: list[float], statuses: dict[int, int], *, expected: bool
) -> None:
    result = Result(0.0, 1.0, 100, 100, latencies, statuses, 0, fresh, 0)
    assert live.keeps_up(result) is expected


def test_the_share_of_a_core_is_that_of_the_readings_in_between() -> None:
    readings = [Reading(time, {"worker": cpu}, {}) for time, cpu in ((0, 0.0), (1, 5.0), (2, 5.5), (3, 6.0), (4, 9.0))]
    assert core_share(readings, "worker", 0.5, 3.5) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="1 readings"):
        core_share(readings, "worker", 0.5, 1.5)


async def test_processes_are_watched_until_one_has_ended() -> None:
    process = await asyncio.create_subprocess_exec("sleep", "0.2")
    task = asyncio.create_task(process.wait())
    readings = await watch(task, {"sleep": process.pid, "this": os.getpid()}, 0.01)
    assert set(readings[0].memory) == {"sleep", "this"}
    assert readings[0].memory["this"] > readings[0].memory["sleep"] > 0
    assert readings[0].cpu["this"] > 0
    ended = asyncio.create_task(asyncio.sleep(0.05))
    assert await watch(ended, {"sleep": process.pid}, 0.01) == []


def test_the_seconds_of_a_live_recording_follow_each_other() -> None:
    joined = np.concatenate([leads[0].signal for leads in seconds()])
    assert all(leads[0].signal.size == 500 for leads in seconds())
    np.testing.assert_array_equal(joined[:5000], windows(LARGE)[0][0].signal)


@pytest.mark.slow
def test_the_file_of_a_day_is_a_record_of_three_leads(tmp_path: Path) -> None:
    recording = read(day.write(tmp_path, hours=1))
    assert [lead.name for lead in recording.leads] == list(day.LEADS)
    assert {lead.signal.size for lead in recording.leads} == {3600 * day.SAMPLING_RATE}
    assert recording.sampling_rate == day.SAMPLING_RATE
    signal = recording.leads[0].signal
    minute = 60 * day.SAMPLING_RATE
    assert not np.array_equal(signal[:minute], signal[minute : 2 * minute])


def test_recordings_have_the_sizes_and_differ() -> None:
    for size in (SMALL, LARGE):
        signals = [leads[0].signal for leads in windows(size)]
        assert all(len(leads) == 12 for leads in windows(size))
        assert {signal.shape for signal in signals} == {(size.samples,)}
        assert len({signal.tobytes() for signal in signals}) == len(signals)


@pytest.mark.parametrize(("is_packed", "content_type"), [(False, None), (True, packed.CONTENT_TYPE)])
def test_preloaded_messages_are_submissions(is_packed: bool, content_type: str | None) -> None:
    secret = "0" * 32
    ecg_id, message = Messages(SMALL, is_packed, secret)(0)
    ecg = encoding.decode(message, content_type)
    assert ecg.id == ecg_id
    assert IdIssuer(secret).belongs(ecg_id, ecg.username)
    assert [lead.name for lead in ecg.leads] == [lead.name for lead in windows(SMALL)[0]]
    assert ecg.sampling_rate is None
    _, message = Messages(SMALL, is_packed, secret, sampling_rate=500.0)(0)
    assert encoding.decode(message, content_type).sampling_rate == 500


def test_packed_bodies_are_the_same_ecgs_without_id_and_owner() -> None:
    for body, json in zip(packed_bodies(SMALL), bodies(SMALL), strict=True):
        content = msgspec.msgpack.decode(body)
        assert content.keys() == {"leads"}
        message = msgspec.msgpack.encode({"id": "0" * 32, "username": USERNAME, **content})
        leads = encoding.decode(message, packed.CONTENT_TYPE).leads
        assert [(lead.name, lead.signal.tolist()) for lead in leads] == [
            (lead["name"], lead["signal"]) for lead in msgspec.json.decode(json)["leads"]
        ]


def test_differences_are_undone_by_sums() -> None:
    leads = windows(SMALL)[0]
    for before, after in zip(leads, parts.sums(parts.differences(leads)), strict=True):
        np.testing.assert_array_equal(before.signal, after.signal)


class Everything(dict[str, list[float]]):
    """Figures that have values under every name."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: str) -> list[float]:
        return [3.0] if key == "memory/rate" else [1.0, 3.0, 2.0]


def everything() -> Figures:
    figures = Figures()
    figures.values = Everything()
    return figures


def of(commit: str) -> report.Results:
    return report.Results("2026-01-31", commit, "2 cores", "synthetic", 0.02, {})


def test_the_report_has_every_part_and_its_plots(tmp_path: Path) -> None:
    results = dict.fromkeys(report.PARTS, of("abc"))
    text = report.render(everything(), results, tmp_path / "benchmarks")
    assert re.findall(r"^## .*", text, re.M) == [
        "## Targets",
        "## Accepting submissions",
        "## Processing",
        "## Through the pipeline",
        "## Queries",
        "## Scale",
        "## Live recordings",
        "## A day in one file",
        "## Memory",
        "## Insights",
        "## Options",
        "## Parts",
        "## The web page",
    ]
    plots = re.findall(r"\]\((.*\.svg)\)", text)
    assert len(plots) == 7
    assert all((tmp_path / plot).exists() for plot in plots)
    assert "2.00 (1.00..3.00)" in text


def test_a_target_says_why_only_where_it_falls_short() -> None:
    figures = Figures({"a": [4.0, 5.0, 6.0]})

    def row(**bound: float | bool) -> list[str]:
        return Target("a", lambda f: f.spread("a"), unit="x", why="a reason", **bound).row(figures)  # type: ignore[arg-type]

    assert row(bound=5) == ["a", "≥ 5.00x", "5.00x (4.00..6.00)", ""]
    assert row(bound=6) == ["a", "≥ 6.00x", "5.00x (4.00..6.00), **short**", "a reason"]
    assert row(bound=4, at_least=False)[-1] == "a reason"
    assert len({target.what for target in TARGETS}) == len(TARGETS)


def test_a_target_whose_figure_was_not_measured_is_neither_reached_nor_short() -> None:
    target = Target("a", lambda figures: figures.spread("a"), 5, "x", why="a reason")
    assert target.row(Figures()) == ["a", "≥ 5.00x", "not measured", ""]
    assert targets.unexplained(Figures()) == []


def accepting(contender: str, rate: float) -> Figures:
    return Figures({f"accept/12x500/{contender}/rate": [rate], "accept/12x500/plain service/rate": [100.0]})


def test_only_a_relation_that_became_worse_by_more_than_a_tenth_is_a_row() -> None:
    what = "accepting 12x500, JSON, to the plain service, within a tenth of the first page"
    assert what not in targets.section(accepting("ours", 450))
    assert f"| {what} | ≥ 4.45x | 4.40x" in targets.section(accepting("ours", 440))


@pytest.mark.parametrize(("contender", "form"), [("ours", "JSON"), ("ours, packed", "packed")])
def test_each_form_of_submissions_is_compared_with_the_plain_service(contender: str, form: str) -> None:
    assert f"| accepting 12x500, {form}, to the plain service | ≥" in targets.section(accepting(contender, 700))
    assert "| 7.00x (7.00..7.00)" in targets.section(accepting(contender, 700))


def test_figures_are_kept_as_they_were(tmp_path: Path) -> None:
    figures = Figures()
    for value in (1.5, 2.5):
        figures.add("accept/rate", value)
    report.save(tmp_path, "accept", figures, commit="abc", busy=0.0)
    assert report.load(tmp_path).keys() == {"accept"}
    assert report.collect(report.load(tmp_path)).spread("accept/rate") == Spread(2.0, 1.5, 2.5)
    assert figure(figures.spread("query/rate")) == figure(figures.ratio("accept/rate", "query/rate")) == "not measured"
    assert "query/rate" not in figures


def test_a_figure_that_no_answer_gave_is_not_measured(tmp_path: Path) -> None:
    figures = Figures({"accept/p99": [math.nan]})
    report.save(tmp_path, "accept", figures, commit="abc", busy=0.0)
    assert math.isnan(report.collect(report.load(tmp_path)).spread("accept/p99").median)


def test_a_part_that_is_measured_again_replaces_its_own_section_only(tmp_path: Path) -> None:
    results = {"scale": of("before"), "memory": of("now")}
    text = report.render(everything(), results, tmp_path)
    [_, *sections] = re.split(r"^## ", text, flags=re.M)
    commits = {section.partition("\n")[0]: re.findall(r"commit (\w+)", section) for section in sections}
    assert commits == {"Targets": [], "Scale": ["before"], "Memory": ["now"]}


@pytest.mark.slow
async def test_a_gateway_that_does_not_know_a_form_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        while head:
            await reader.readexactly(int(re.findall(r"content-length: (\d+)", head, re.I)[0]))
            status = b"201 Created" if "application/json" in head else b"415 Unsupported Media Type"
            writer.write(b"HTTP/1.1 %b\r\nContent-Length: 2\r\n\r\n{}" % status)
            head = (await reader.readuntil(b"\r\n\r\n")).decode()

    run = Run(Distribution("java", tmp_path), tmp_path, quick=True)
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        gateway = Service("gateway", ["sleep", "60"], {}, tmp_path / "log", server.sockets[0].getsockname()[1])
        gateway.start()
        try:
            known = await warm(run, {name: Contender([gateway], form=form) for name, form in FORMS.items()})
        finally:
            gateway.kill()
    assert known.keys() == {"JSON"}
    assert "packed is not measured: this gateway does not know the form" in capsys.readouterr().out


def test_variants_are_compared_round_by_round_as_far_as_both_were_measured() -> None:
    comparison = Comparison("base", (Variant("old"), Variant("new")), (SMALL,), rounds=2)
    key = "base/accepting 12x500"
    figures = Figures({f"{key} JSON/old/rate": [10.0, 20.0], f"{key} JSON/new/rate": [11.0, 22.0]})
    figures.add(f"{key} packed/new/rate", 5.0)
    [_, _, *rows] = comparison.table(figures).splitlines()
    assert rows == [
        "| accepting 12x500 JSON, per second | 15.0 (10.0..20.0) | 16.5 (11.0..22.0) | 1.10x (1.10..1.10) |",
        "| accepting 12x500 packed, per second | not measured | 5.00 (5.00..5.00) | not measured |",
    ]


def test_a_revision_runs_from_a_checkout_of_its_own_which_is_removed(tmp_path: Path) -> None:
    with revisions.checkout("HEAD", tmp_path) as code:
        assert code.root != ROOT
        printed = subprocess.run(
            [code.python, "-c", "import ingest_api; print(ingest_api.__file__)"],
            cwd=code.root,
            check=True,
            capture_output=True,
            text=True,
        )
        assert Path(printed.stdout).is_relative_to(code.root)
        assert code.command("ingest_api") == [sys.executable, "-m", "ingest_api"]
    assert not code.root.exists()
    listed = subprocess.run(["git", "worktree", "list"], cwd=ROOT, check=True, capture_output=True, text=True)
    assert str(code.root) not in listed.stdout


@pytest.mark.slow
def test_a_revision_with_other_dependencies_gets_an_environment_that_is_kept(tmp_path: Path) -> None:
    lock = tmp_path / "requirements-service.lock"
    lock.write_text("# no packages\n")
    python = revisions.python_for(lock, tmp_path)
    assert Path(python).is_relative_to(tmp_path)
    made = Path(python).lstat().st_mtime_ns
    assert revisions.python_for(lock, tmp_path) == python
    assert Path(python).lstat().st_mtime_ns == made


def test_a_revision_that_does_not_exist_is_named() -> None:
    with (
        pytest.raises(revisions.UnknownRevisionError, match="git knows no revision 'no-such'"),
        revisions.checkout("no-such"),
    ):
        pass
