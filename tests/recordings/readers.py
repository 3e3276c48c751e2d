"""Every reader of recordings, as a function that fails on any error but a refusal.

The property tests and the fuzzer try the same functions.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from ecg_client.recordings import Calibration, Recording, Source, UnreadableRecording, open_source, read
from ecg_client.recordings.missing import count
from ecg_client.requests import encode
from shared.encoding import plain

LONGEST_REASON = 4000
SUFFIXES = ("hea", "edf", "bdf", "csv", "npy", "npz", "json", "dcm", "xml", "scp", "ecg")
# Between a header and its signals.
_BETWEEN = b"\n\0\n"


def try_files(files: dict[str, bytes], calibration: Calibration | None = None) -> Recording | None:
    """Read files, the main file first: return the recording, or None if it is refused."""
    with tempfile.TemporaryDirectory() as directory:
        for name, content in files.items():
            (Path(directory) / name).write_bytes(content)
        try:
            recording = read(Path(directory) / next(iter(files)), calibration)
        except UnreadableRecording as error:
            refusal = error
        else:
            _check(recording)
            _check_pieces(recording, open_source(Path(directory) / next(iter(files)), calibration))
            return recording
    assert 0 < len(str(refusal)) <= LONGEST_REASON
    return None


def _check(recording: Recording) -> None:
    content = plain.decode_content(encode(recording))
    assert [lead.name for lead in content.leads] == [lead.name for lead in recording.leads]
    for sent, lead in zip(content.leads, recording.leads, strict=True):
        np.testing.assert_array_equal(sent.signal, lead.signal)
        # Decoding refuses missing samples that are not 0.
        assert sent.missing == lead.missing


def _check_pieces(recording: Recording, source: Source) -> None:
    assert (source.date, source.sampling_rate, source.notes) == (
        recording.date,
        recording.sampling_rate,
        recording.notes,
    )
    pieces = [leads for _, leads in source.pieces(0, 1 + source.number_of_samples // 3)]
    for i, lead in enumerate(recording.leads):
        assert (source.leads[i].name, source.leads[i].adc_gain) == (lead.name, lead.adc_gain)
        np.testing.assert_array_equal(np.concatenate([leads[i].signal for leads in pieces]), lead.signal)
        assert sum(count(leads[i].missing) for leads in pieces) == count(lead.missing)


def seed_of(files: dict[str, bytes]) -> bytes:
    """Return files as the input of a function in `READERS`."""
    main, *others = files.items()
    return _BETWEEN.join([main[1], *(content for _, content in others[:1])])


def _read(suffix: str, data: bytes) -> None:
    main, between, other = data.partition(_BETWEEN) if suffix == "hea" else (data, b"", b"")
    try_files({f"x.{suffix}": main, **({"x.dat": other} if between else {})})


READERS: dict[str, Callable[[bytes], None]] = {suffix: partial(_read, suffix) for suffix in SUFFIXES}
