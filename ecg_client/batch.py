"""Batches of files: each is read, sent and reported on its own, and a broken file does not stop the others."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from ecg_client.client import AsyncEcgClient
from ecg_client.errors import ClientError, InvalidEcg, Unauthorized, Unavailable
from ecg_client.recordings import Calibration, Recording, UnreadableRecording, find, parts, read
from ecg_client.results import Insights
from shared import errors
from shared.ecg import MAX_LABEL, check_label


@dataclass(frozen=True)
class Outcome:
    """The outcome for one file: the id of its ECG, or the error and the field that the error names, if any."""

    file: Path
    leads: int | None = None
    samples: int | None = None
    ecg_id: str | None = None
    error: str | None = None
    field: str | None = None
    insights: Insights | None = None
    notes: tuple[str, ...] = ()


Send = Callable[[Outcome, Recording], Awaitable[Outcome]]


def distinct(files: Iterable[Path]) -> list[Path]:
    """Return the first file of each recording: the files may include a record's header, signals and segments."""
    found: dict[Path, Path] = {}
    segments: set[Path] = set()
    for file in files:
        try:
            recording = find(file)
        except UnreadableRecording:
            found.setdefault(file, file)
        else:
            found.setdefault(recording.path.resolve(), file)
            segments.update(part.resolve() for part in parts(recording))
    return [file for recording, file in found.items() if recording not in segments]


def label_of(name: str) -> str | None:
    """Return the label for a file name, or None if the name is not a valid label."""
    # A name that is not UTF-8 holds lone surrogates, which JSON cannot.
    readable = name.encode(errors="surrogateescape").decode(errors="replace")
    try:
        return check_label(readable[:MAX_LABEL])
    except errors.InvalidEcg:
        return None


async def send_all(
    files: Iterable[Path],
    calibration: Calibration,
    send: Send,
    report: Callable[[Outcome], None],
    *,
    concurrency: int,
    label: bool,
) -> ClientError | None:
    """Read and send every file, up to `concurrency` at a time; report each outcome as soon as it is known.

    Args:
        label: the label of an ECG without one becomes its file's name, without folders.

    Returns:
        the error that stopped the batch because it concerns every file, such as an outage, or None.
    """
    waiting = iter(files)
    stopped: list[ClientError] = []

    async def work() -> None:
        for file in waiting:
            outcome = Outcome(file)
            try:
                recording = await asyncio.to_thread(read, file, calibration)
                outcome = replace(
                    outcome,
                    leads=len(recording.leads),
                    samples=max(lead.signal.size for lead in recording.leads),
                    notes=recording.notes,
                )
                if label and recording.label is None and recording.file_name is not None:
                    recording = replace(recording, label=label_of(recording.file_name))
                outcome = await send(outcome, recording)
            except UnreadableRecording as error:
                outcome = replace(outcome, error=str(error))
            except InvalidEcg as error:
                outcome = replace(outcome, error=str(error), field=error.field)
            except ClientError as error:
                outcome = replace(outcome, error=str(error))
                if isinstance(error, Unauthorized | Unavailable):
                    stopped.append(error)
            report(outcome)
            if stopped:
                return

    async with asyncio.TaskGroup() as tasks:
        for _ in range(concurrency):
            tasks.create_task(work())
    return stopped[0] if stopped else None


def submitting(client: AsyncEcgClient, wait: float | None) -> Send:
    """Return a function that submits a recording over HTTP and waits up to `wait` seconds for its insights, if set."""

    async def send(outcome: Outcome, recording: Recording) -> Outcome:
        outcome = replace(outcome, ecg_id=await client.submit(recording))
        if wait is None or outcome.ecg_id is None:
            return outcome
        try:
            return replace(outcome, insights=await client.wait_for_insights(outcome.ecg_id, wait))
        except ClientError as error:
            return replace(outcome, error=str(error))

    return send
