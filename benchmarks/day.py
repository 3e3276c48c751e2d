"""Measures a day of a Holter recording: from the start of `ecg submit` until it has the insights of all samples."""

import asyncio
import contextlib
import sys
import time
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.ecgs import USERNAME
from benchmarks.machine import cores, pinned
from benchmarks.markdown import figure, table
from benchmarks.run import Figures, Run
from benchmarks.services import ROOT, Pipeline, kafka
from benchmarks.watch import watch
from ecg_client.synthesis import SAMPLING_RATE_HZ, synthesise
from local_stack.lifetime import dies_with_parent

LEADS = ("II", "V1", "V5")
SAMPLING_RATE = 250
PROCESSES = ("ecg submit", "gateway", "worker")
_DIFFERENT_MINUTES = 30
_RATES = (50.0, 130.0)
_GAIN = 1000
_TIMEOUT = 600.0
_READING = 0.05


class SubmitFailed(Exception):  # noqa: N818 - named for what happened
    """`ecg submit` failed, or printed no insights; the message has its output."""


class _Printed(msgspec.Struct):
    """The line that `ecg submit --json` prints for a file."""

    insights: list[dict[str, object]] = []


async def run(run: Run) -> Figures:
    """Submit the same file in several rounds, each to a new pipeline."""
    figures = Figures()
    directory = run.directory / "day"
    core, others = cores()
    hours = run.pick(24, 2)
    record = write(directory, hours)
    figures.add("day/hours", hours)
    async with kafka(run.distribution, directory / "kafka", others) as cluster:
        for i in range(run.pick(3, 1)):
            run.say(f"day: {hours} hours, round {i + 1}")
            with Pipeline(cluster.bootstrap_servers, directory / str(i), f"day-{i}") as pipeline:
                await pipeline.start_gateway(others)
                await pipeline.balanced([pipeline.start_worker(core)])
                await _submit(run, pipeline, record, others, figures)
    return figures


def write(directory: Path, hours: int) -> Path:
    """Write a WFDB record of 16-bit samples, and return its name: minutes of different heart rates, in turn."""
    directory.mkdir(parents=True, exist_ok=True)
    step = SAMPLING_RATE_HZ // SAMPLING_RATE
    minutes = []
    for i, heart_rate in enumerate(np.linspace(*_RATES, _DIFFERENT_MINUTES)):
        leads = synthesise(60, float(heart_rate), seed=i)
        minutes.append(np.stack([leads[name][::step] for name in LEADS], axis=1).astype("<i2").tobytes())
    with (directory / "holter.dat").open("wb") as data:
        for minute in range(60 * hours):
            data.write(minutes[minute % len(minutes)])
    signals = "".join(f"holter.dat 16 {_GAIN}/mV 16 0 0 0 0 {name}\n" for name in LEADS)
    record = directory / "holter"
    samples = 3600 * SAMPLING_RATE * hours
    record.with_suffix(".hea").write_text(f"holter {len(LEADS)} {SAMPLING_RATE} {samples}\n{signals}")
    return record


async def _submit(run: Run, pipeline: Pipeline, record: Path, core: int, figures: Figures) -> None:
    """Submit the record and wait for its insights.

    Raises:
        SubmitFailed: if that fails.
    """
    [gateway], [worker] = pipeline.gateways, pipeline.workers
    argv = [sys.executable, "-m", "ecg_client", "submit", "--wait", "--json", "--timeout", str(_TIMEOUT)]
    url = f"http://127.0.0.1:{gateway.port}"
    begun = time.monotonic()
    with pinned(core):
        process = await asyncio.create_subprocess_exec(
            *argv,
            *("--as-recording", "--url", url, str(record)),
            cwd=ROOT,
            env={**pipeline.env, "ECG_TOKEN": pipeline.register(USERNAME)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=dies_with_parent(),
        )
    try:
        output = asyncio.create_task(process.communicate())
        pids = dict(zip(PROCESSES, (process.pid, gateway.pid, worker.pid), strict=True))
        readings = await watch(output, pids, _READING)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    seconds = time.monotonic() - begun
    printed, errors = output.result()
    if process.returncode or len(msgspec.json.decode(printed, type=_Printed).insights) != len(LEADS):
        raise SubmitFailed((printed + errors).decode()[-3000:])
    figures.add("day/seconds", seconds)
    for name in PROCESSES:
        figures.add(f"day/{name}/cpu_seconds", readings[-1].cpu[name] - readings[0].cpu[name])
        figures.add(f"day/{name}/mib", max(reading.memory[name] for reading in readings))
    run.say(f"day: {seconds:.1f} s")


def section(figures: Figures, _: Path) -> str:
    """Write the section of the report."""
    hours = f"{figures.spread('day/hours').median:.0f}"
    text = f"""## A day in one file

A WFDB record of {hours} hours with {len(LEADS)} leads at {SAMPLING_RATE} Hz, 16 bits a sample, submitted by
`ecg submit --wait`: from the start of the command until it has printed the final insights of all samples took
**{figure(figures.spread("day/seconds"), " s")}**. The worker has a core of its own; the command, the gateway and the
broker share another. **Memory** is the most that was resident meanwhile.

"""
    rows = [
        [name, *(figure(figures.spread(f"day/{name}/{what}")) for what in ("cpu_seconds", "mib"))] for name in PROCESSES
    ]
    return text + table(["", "CPU s", "memory, MiB"], rows)
