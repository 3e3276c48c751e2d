"""`ecg stream`."""

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from ecg_client import interrupts, samples
from ecg_client.cli import measurements, options, output
from ecg_client.client import EcgClient
from ecg_client.errors import ClientError, InvalidEcg, StillProcessing
from ecg_client.live_recordings import StreamProgress
from ecg_client.recordings import UnreadableRecording
from shared import errors
from shared.ecg import check_adc_gain, check_sampling_rate

_FAILED, _PENDING = 1, 3
_STANDARD_INPUT = Path("-")
_READ = 1 << 16
_ENDING = b"ecg: ending the recording, once all that has come is sent; Ctrl-C again gives up\n"


class Format(StrEnum):
    """How samples are written."""

    TEXT = "text"
    INT16 = "int16"


def stream(  # noqa: PLR0917 - a command's parameters are its options
    leads: Annotated[
        str,
        typer.Option("--leads", metavar="NAME,...", show_default=False, help="The leads, in the order of the columns."),
    ],
    rate: Annotated[
        float,
        typer.Option("--rate", "--sampling-rate", metavar="HZ", show_default=False, help="Samples of a lead a second."),
    ],
    source: Annotated[
        Path,
        typer.Argument(
            metavar="[FILE]",
            show_default=False,
            help="A device, named pipe or file to read; by default standard input, which is -.",
        ),
    ] = _STANDARD_INPUT,
    url: options.Url = None,
    token: options.Token = None,
    gain: Annotated[
        float | None,
        typer.Option("--gain", "--adc-gain", show_default=False, help="ADC units per millivolt, of all leads."),
    ] = None,
    label: Annotated[
        str | None, typer.Option("--label", show_default=False, help="The recording's name in your list.")
    ] = None,
    date: Annotated[
        str | None,
        typer.Option("--date", metavar="ISO-8601", show_default=False, help="When the recording began."),
    ] = None,
    written: Annotated[
        Format,
        typer.Option(
            "--format",
            help="text: lines of integers, with white space or commas between the columns. int16: frames of raw "
            "little-endian integers, one for each lead.",
        ),
    ] = Format.TEXT,
    timeout: options.Timeout = 60,
    retry_for: options.RetryFor = 3600,
    json: options.Json = False,
) -> None:
    """Send a live ECG while it is recorded.

    Samples are sent every second, and are durable then. The recording begins
    with the first sample, when its id is printed: `ecg insights ID` shows its
    insights so far. It ends with the input, or at Ctrl-C; then its insights
    are printed.

    In an outage, new samples are kept in memory and sent afterwards, for up to
    --retry-for seconds. A wrong line ends the recording: the lines before it
    are sent, and the exit code is 1.

    Examples:
      recorder | ecg stream --leads I,II,V1 --rate 500 --gain 1000
      ecg stream --leads ECG --rate 250 --label "bed 7" /dev/ttyUSB0
      ecg stream --leads I,II --rate 1000 --format int16 < night.raw
    """
    names = [name for each in leads.split(",") if (name := each.strip())]
    if not names:
        raise typer.BadParameter("must name a lead for each column, such as I,II,V1", param_hint="--leads")
    try:
        check_sampling_rate(rate)
        gains = [(name, check_adc_gain(gain, "adc_gain")) for name in names]
    except errors.InvalidEcg as error:
        raise InvalidEcg(str(error), error.field) from None
    with options.client(url, token, retry_for) as client, _opened(source) as file:
        name = "standard input" if source == _STANDARD_INPUT else str(source)
        live = _Source(file, name, len(names), written)
        blocks = live.blocks()
        # The recording begins with its first sample, so that a source without any leaves none behind.
        if (first := next(blocks, None)) is None:
            raise ClientError(f"{live.error or f'{name}: holds no samples'}; no recording was begun")
        streaming = client.recordings.stream(
            chain([first], blocks), gains, rate, date=date, label=label, buffer_seconds=max(retry_for, 1.0)
        )
        code = _report(client, _sent(streaming, live, json), rate, timeout, json)
    if live.error is not None:
        output.complain(f"{live.error}; the recording ends before it")
        code = _FAILED
    raise typer.Exit(code)


class _Source:
    """A source that is read until it ends, Ctrl-C stops it, or reading fails with an `error`."""

    def __init__(self, file: int, name: str, leads: int, written: Format) -> None:
        self.error: str | None = None
        self._file = file
        self._name = name
        self._leads = leads
        self._written = written
        self._woken, self._wake = os.pipe()

    def stop(self) -> None:
        """End the source, from a signal handler."""
        os.write(self._wake, b"\0")

    def blocks(self) -> Iterator[NDArray[np.signedinteger]]:
        """Yield the samples."""
        try:
            if self._written is Format.INT16:
                yield from samples.of_frames(self._read(), self._leads, self._note)
            else:
                # Reading from a serial port may begin within a line.
                is_cut = os.isatty(self._file) and self._file != sys.stdin.fileno()
                yield from samples.of_lines(self._read(), self._leads, self._note, is_cut=is_cut)
        except UnreadableRecording as error:
            self.error = str(error)
        except OSError as error:
            self.error = f"{self._name}: {error.strerror or error}"

    def _read(self) -> Iterator[bytes]:
        while True:
            ready, _, _ = select.select([self._file, self._woken], [], [])
            if self._woken in ready:
                return
            if not (data := os.read(self._file, _READ)):
                return
            yield data

    def _note(self, text: str) -> None:
        output.complain(f"{self._name}: {text}")


@contextmanager
def _opened(source: Path) -> Iterator[int]:
    if source == _STANDARD_INPUT:
        yield sys.stdin.fileno()
        return
    try:
        file = os.open(source, os.O_RDONLY | os.O_NOCTTY)
    except OSError as error:
        raise ClientError(f"{source}: {error.strerror or error}") from None
    try:
        yield file
    finally:
        os.close(file)


def _sent(progress: Iterator[StreamProgress], live: _Source, json: bool) -> StreamProgress:
    """Follow the progress to the end, and return the last one; the first Ctrl-C ends the source.

    Raises:
        ClientError: if not everything is stored; the message says what is.
    """
    last: StreamProgress | None = None

    def end() -> None:
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, _ENDING)
        live.stop()

    try:
        with output.progress_bar() as bar:
            task = bar.add_task("streaming, samples", total=None)
            for each in progress:
                if last is None:
                    interrupts.interrupt_after(end)
                    if json:
                        output.json_line({"recording_id": each.recording_id})
                    else:
                        output.line(each.recording_id)
                last = each
                bar.update(task, completed=each.number_of_samples)
    except KeyboardInterrupt:
        if last is None:
            raise
        raise options.Interrupted(f"interrupted, {_stored(last)}") from None
    except ClientError as error:
        if last is None:
            raise
        raise ClientError(f"{error}; {_stored(last)}") from None
    assert last is not None  # noqa: S101 - the first comes at once
    interrupts.interrupt()
    return last


def _stored(last: StreamProgress) -> str:
    return (
        f"the first {last.number_of_samples:,} samples of recording {last.recording_id} are stored, "
        "later ones may not be, and it has not ended"
    )


def _report(client: EcgClient, last: StreamProgress, rate: float, timeout: float, json: bool) -> int:
    """Print the length of the recording and its insights, and return the exit code."""
    count = last.number_of_samples
    output.complain(f"the recording has ended: {count:,} samples of each lead, {count / rate:,.1f} s")
    try:
        found = client.recordings.wait_until_final(last.recording_id, timeout)
    except StillProcessing as error:
        output.complain(str(error))
        return _PENDING
    if json:
        output.json_line({"recording_id": last.recording_id, **output.recording_document(found)})
    else:
        measurements.show_recording(found)
    if found.refused:
        output.complain(found.refusal)
        return _FAILED
    return 0
