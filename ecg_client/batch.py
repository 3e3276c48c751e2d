"""Batches of files: each is read, sent and reported on its own, and a broken file does not stop the others."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from ecg_client.client import AsyncEcgClient
from ecg_client.errors import ClientError, InvalidEcg, TooLarge, Unauthorized, Unavailable
from ecg_client.long_files import LARGEST_MESSAGE, InThread, SendLong, check_long, complete_insights, is_too_large
from ecg_client.recording_results import RecordingInsights
from ecg_client.recordings import (
    Calibration,
    NoRecording,
    Recording,
    Source,
    UnreadableRecording,
    find,
    parts,
    read_or_open,
    source_of,
)
from ecg_client.recordings.content import is_directory
from ecg_client.results import Insights
from shared import errors
from shared.ecg import MAX_LABEL, check_label


@dataclass(frozen=True)
class Outcome:
    """The outcome for one file: the id of its ECG, or the error and the field that the error names, if any.

    `recording` is True for a file that is sent in chunks; `sent` is the number of its stored samples until all are.

    `passed_over` is True for a file in a directory that is not a recording. `unsure` is True for a file that was being
    sent when the batch was interrupted: it may be stored.
    """

    file: Path
    leads: int | None = None
    samples: int | None = None
    ecg_id: str | None = None
    error: str | None = None
    field: str | None = None
    insights: Insights | RecordingInsights | None = None
    notes: tuple[str, ...] = ()
    passed_over: bool = False
    unsure: bool = False
    recording: bool = False
    sent: int | None = None


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

_IN_CHUNKS = "is sent in chunks, as a recording"


class Report(Protocol):
    """Receives the progress and the outcomes of files while they are sent."""

    def progress(self, outcome: Outcome, /) -> None:
        """Report the progress of a file that is sent in chunks."""

    def done(self, outcome: Outcome, /) -> None:
        """Report the outcome of a file."""


def collect(paths: Iterable[Path]) -> Batch:
    """Return the recordings at these paths: a directory stands for all that are in it and in the directories below."""
    files: list[Path] = []
    in_directories: set[Path] = set()
    passed_over: list[Path] = []
    problems: dict[Path, str] = {}
    for path in paths:
        # A record may have the same name as a directory beside it.
        if not _is_directory(path) or _candidate(path) is not None:
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
        return None if _is_directory(path) else path


def _is_directory(path: Path) -> bool:
    """Return True if there is a directory at a path; False too if the system does not say, as reading it then will."""
    try:
        return is_directory(path)
    except UnreadableRecording:
        return False


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
            found.setdefault(_place(recording.path), file)
            segments.update(map(_place, parts(recording)))
    return [file for recording, file in found.items() if recording not in segments]


def _place(path: Path) -> Path:
    # `Path.resolve` fails at links that lead in circles.
    return Path(os.path.realpath(path))


def label_of(name: str) -> str | None:
    """Return the label for a file name, or None if the name is not a valid label."""
    # A name that is not UTF-8 holds lone surrogates, which JSON cannot.
    readable = name.encode(errors="surrogateescape").decode(errors="replace")
    try:
        return check_label(readable[:MAX_LABEL])
    except errors.InvalidEcg:
        return None


@dataclass(frozen=True)
class Ways:
    """How files are sent: each in one message, or in chunks if it is too large for one, or if `chunked` is True."""

    send: Send
    send_long: SendLong
    chunked: bool = False


async def send_all(
    batch: Batch,
    calibration: Calibration,
    ways: Ways,
    report: Report,
    *,
    concurrency: int,
    label: bool,
    finish: Finish | None = None,
) -> ClientError | None:
    """Read and send every file, up to `concurrency` at a time; report each outcome as soon as it is known.

    If this is cancelled, files under way are reported too: as stored, as stored in part, or as unsure.

    Args:
        label: False to send no labels; otherwise an ECG without a label gets its file's name, without folders.
        finish: is called when an ECG is stored, and returns the outcome with its insights.

    Returns:
        the error that stopped the batch because it concerns every file, such as an outage, or None.
    """
    waiting = iter(batch.files)
    stopped: list[ClientError] = []
    # Not the event loop's own threads: it would wait at an interrupt until the files are read.
    readers = ThreadPoolExecutor(concurrency, "reader")
    sender = _Sender(ways, report, partial(asyncio.get_running_loop().run_in_executor, readers))

    async def opened(file: Path) -> Recording | Source:
        if file in batch.problems:
            raise UnreadableRecording(batch.problems[file])
        most = 0 if ways.chunked else LARGEST_MESSAGE
        recording: Recording | Source = await sender.in_thread(read_or_open, file, calibration, most)
        if not label:
            return replace(recording, label=None)
        if recording.label is None and recording.file_name is not None:
            return replace(recording, label=label_of(recording.file_name))
        return recording

    async def work() -> None:
        for file in waiting:
            sending = _Sending(Outcome(file))
            try:
                await sender.send(sending, await opened(file))
                if finish is not None:
                    sending.outcome = await finish(sending.outcome)
            except asyncio.CancelledError:
                if (interrupted := sending.interrupted()) is not None:
                    report.done(interrupted)
                raise
            except UnreadableRecording as error:
                if isinstance(error, NoRecording) and file in batch.in_directories:
                    report.done(replace(sending.outcome, passed_over=True))
                    continue
                sending.failed(error)
            except ClientError as error:
                sending.failed(error)
                if isinstance(error, Unauthorized | Unavailable):
                    stopped.append(error)
            report.done(sending.outcome)
            if stopped:
                return

    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(concurrency):
                tasks.create_task(work())
    finally:
        readers.shutdown(wait=False, cancel_futures=True)
    return stopped[0] if stopped else None


class _Sending:
    """A file that is being sent: its outcome so far, and whether it may be stored already."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.begun = False

    def failed(self, error: ClientError) -> None:
        """Note the error that ends the sending."""
        field = error.field if isinstance(error, InvalidEcg) else None
        self.outcome = replace(self.outcome, error=f"{error}{self._in_part()}", field=field)

    def interrupted(self) -> Outcome | None:
        """Return the outcome at an interrupt, or None if nothing was sent."""
        if self.outcome.sent is not None:
            return replace(self.outcome, error=f"interrupted{self._in_part()}")
        if self.outcome.ecg_id is not None:
            return replace(self.outcome, error="is stored; interrupted before its insights came")
        if self.begun:
            return replace(self.outcome, error="interrupted while it was sent: it may be stored", unsure=True)
        return None

    def _in_part(self) -> str:
        sent = self.outcome.sent
        return "" if sent is None else f"; {sent:,} of its {self.outcome.samples or 0:,} samples are stored"


class _Sender:
    """Sends files, each in one message or in chunks."""

    def __init__(self, ways: Ways, report: Report, in_thread: InThread) -> None:
        self.in_thread = in_thread
        self._ways = ways
        self._report = report

    async def send(self, sending: _Sending, recording: Recording | Source) -> None:
        """Send a file, and keep its outcome.

        Raises:
            ClientError: if it cannot be sent.
        """
        if isinstance(recording, Recording):
            sending.outcome = replace(
                sending.outcome,
                leads=len(recording.leads),
                samples=max(lead.signal.size for lead in recording.leads),
                notes=recording.notes,
            )
            if not (self._ways.chunked or await self.in_thread(is_too_large, recording)):
                sending.begun = True
                try:
                    sending.outcome = await self._ways.send(sending.outcome, recording)
                    return
                except TooLarge:
                    # This gateway takes smaller messages only.
                    sending.begun = False
            recording = source_of(recording, Calibration(), recording.file_name or "")
        await self._send_long(sending, recording)

    async def _send_long(self, sending: _Sending, source: Source) -> None:
        sending.outcome = replace(
            sending.outcome,
            leads=len(source.leads),
            samples=source.number_of_samples,
            notes=(*source.notes, _IN_CHUNKS),
            recording=True,
        )
        check_long(source)
        async with aclosing(self._ways.send_long(source, self.in_thread)) as progress:
            async for each in progress:
                sent = None if each.ended else each.number_of_samples
                sending.outcome = replace(sending.outcome, ecg_id=each.recording_id, sent=sent)
                self._report.progress(sending.outcome)


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
        ecg_id = outcome.ecg_id or ""
        try:
            if outcome.recording:
                return replace(outcome, insights=await complete_insights(client, ecg_id, outcome.samples or 0, seconds))
            return replace(outcome, insights=await client.wait_for_insights(ecg_id, seconds, submitted=True))
        except ClientError as error:
            return replace(outcome, error=str(error))

    return finish
