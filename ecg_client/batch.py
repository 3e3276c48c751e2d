"""Batches of files: each is read, sent and reported on its own, and a broken file does not stop the others."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from ecg_client.client import AsyncEcgClient
from ecg_client.errors import ClientError, InvalidEcg, Unauthorized, Unavailable
from ecg_client.recordings import Calibration, NoRecording, Recording, UnreadableRecording, find, parts, read
from ecg_client.results import Insights
from shared import errors
from shared.ecg import MAX_LABEL, check_label


@dataclass(frozen=True)
class Outcome:
    """The outcome for one file: the id of its ECG, or the error and the field that the error names, if any.

    `passed_over` is True for a file that was found in a directory and is no recording, `unsure` for one that was being
    sent when the batch was interrupted: it may be stored.
    """

    file: Path
    leads: int | None = None
    samples: int | None = None
    ecg_id: str | None = None
    error: str | None = None
    field: str | None = None
    insights: Insights | None = None
    notes: tuple[str, ...] = ()
    passed_over: bool = False
    unsure: bool = False


@dataclass(frozen=True)
class Batch:
    """The recordings of a command in order.

    Attributes:
        files: the files that were named, and those in the directories that were named.
        in_directories: those of `files` that were found in directories.
        passed_over: other files in those directories, whose names are not those of recordings.
        problems: why directories, which are then in `files` themselves, cannot be read or hold no recordings.
    """

    files: list[Path]
    in_directories: frozenset[Path] = frozenset()
    passed_over: tuple[Path, ...] = ()
    problems: Mapping[Path, str] = field(default_factory=dict)


_Waiting = list[tuple[Recording, asyncio.Future[str]]]
Send = Callable[[Outcome, Recording], Awaitable[Outcome]]
Finish = Callable[[Outcome], Awaitable[Outcome]]


def collect(paths: Iterable[Path]) -> Batch:
    """Return the recordings at these paths: a directory stands for all that are in it and in the directories below."""
    files: list[Path] = []
    in_directories: set[Path] = set()
    passed_over: list[Path] = []
    problems: dict[Path, str] = {}
    for path in paths:
        # A record may have the same name as a directory beside it.
        if not path.is_dir() or _candidate(path) is not None:
            files.append(path)
            continue
        inside = [(file, _candidate(file)) for file in _files_in(path, problems)]
        candidates = [candidate for _, candidate in inside if candidate is not None]
        passed_over += [file for file, candidate in inside if candidate is None]
        if not candidates and path not in problems:
            problems[path] = "contains no recordings"
        in_directories.update(candidates)
        files += candidates
    return Batch(distinct([*files, *problems]), frozenset(in_directories), tuple(passed_over), problems)


def _files_in(directory: Path, problems: dict[Path, str]) -> Iterator[Path]:
    """Yield the files in a directory and below in the order of their names; note directories that cannot be read.

    Hidden files are left out: copies from other systems have hidden companions with the recordings' names. Links to
    directories are not followed, because they may lead in circles.
    """

    def note(error: OSError) -> None:
        problems[Path(error.filename)] = error.strerror or str(error)

    for where, below, names in os.walk(directory, onerror=note):
        below[:] = sorted(name for name in below if not name.startswith("."))
        yield from (Path(where, name) for name in sorted(names) if not name.startswith("."))


def _candidate(path: Path) -> Path | None:
    """Return the main file of the recording at a path, which may turn out to be broken, or None if it is none."""
    try:
        return find(path).path
    except NoRecording:
        return None
    except UnreadableRecording:
        return None if path.is_dir() else path


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
    batch: Batch,
    calibration: Calibration,
    send: Send,
    report: Callable[[Outcome], None],
    *,
    concurrency: int,
    label: bool,
    finish: Finish | None = None,
) -> ClientError | None:
    """Read and send every file, up to `concurrency` at a time; report each outcome as soon as it is known.

    If this is cancelled, what was sent is reported too: as stored, or as unsure.

    Args:
        label: False to send no labels; otherwise that of an ECG without one is its file's name, without folders.
        finish: what follows when an ECG is stored.

    Returns:
        the error that stopped the batch because it concerns every file, such as an outage, or None.
    """
    waiting = iter(batch.files)
    stopped: list[ClientError] = []
    # Not the event loop's own threads: it would wait at an interrupt until the files are read.
    readers = ThreadPoolExecutor(concurrency, "reader")
    loop = asyncio.get_running_loop()

    async def opened(file: Path) -> tuple[Outcome, Recording]:
        if file in batch.problems:
            raise UnreadableRecording(batch.problems[file])
        recording = await loop.run_in_executor(readers, read, file, calibration)
        outcome = Outcome(
            file,
            leads=len(recording.leads),
            samples=max(lead.signal.size for lead in recording.leads),
            notes=recording.notes,
        )
        if not label:
            recording = replace(recording, label=None)
        elif recording.label is None and recording.file_name is not None:
            recording = replace(recording, label=label_of(recording.file_name))
        return outcome, recording

    async def work() -> None:
        for file in waiting:
            outcome = Outcome(file)
            sending = False
            try:
                outcome, recording = await opened(file)
                sending = True
                outcome = await send(outcome, recording)
                if finish is not None:
                    outcome = await finish(outcome)
            except asyncio.CancelledError:
                if outcome.ecg_id is not None:
                    report(replace(outcome, error="is stored; interrupted before its insights came"))
                elif sending:
                    report(replace(outcome, error="interrupted while it was sent: it may be stored", unsure=True))
                raise
            except UnreadableRecording as error:
                if isinstance(error, NoRecording) and file in batch.in_directories:
                    report(replace(outcome, passed_over=True))
                    continue
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

    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(concurrency):
                tasks.create_task(work())
    finally:
        readers.shutdown(wait=False, cancel_futures=True)
    return stopped[0] if stopped else None


def submitting(client: AsyncEcgClient) -> Send:
    """Return a function that submits a recording over HTTP, in one request with those given while others were sent."""
    waiting: _Waiting = []
    turn = asyncio.Lock()

    async def send(outcome: Outcome, recording: Recording) -> Outcome:
        answered = asyncio.get_running_loop().create_future()
        waiting.append((recording, answered))
        async with turn:
            if waiting:
                batch = waiting.copy()
                waiting.clear()
                answers: Sequence[str | ClientError]
                try:
                    answers = await client.submit_all([recording for recording, _ in batch])
                except ClientError as error:
                    # What waits would only meet the same error, after another wait.
                    batch += waiting
                    waiting.clear()
                    answers = [error] * len(batch)
                _answer(batch, answers)
        return replace(outcome, ecg_id=await answered)

    return send


def _answer(batch: _Waiting, answers: Sequence[str | ClientError]) -> None:
    for answer, (_, answered) in zip(answers, batch, strict=True):
        if answered.done():
            continue
        if isinstance(answer, str):
            answered.set_result(answer)
        else:
            answered.set_exception(answer)


def waiting_for_insights(client: AsyncEcgClient, seconds: float) -> Finish:
    """Return a function that waits up to `seconds` for the insights of an ECG that was submitted."""

    async def finish(outcome: Outcome) -> Outcome:
        try:
            return replace(outcome, insights=await client.wait_for_insights(outcome.ecg_id or "", seconds))
        except ClientError as error:
            return replace(outcome, error=str(error))

    return finish
