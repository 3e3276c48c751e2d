"""Recordings that are read in pieces equal those that are read as a whole, and need only bounded memory."""

import os
import struct
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecg_client.recordings import Calibration, Recording, Source, UnreadableRecording, open_source, read
from ecg_client.recordings.missing import ranges_of
from shared.ecg import Lead, missing_within
from tests.recordings.case import Case
from tests.recordings.clinical_cases import ishne
from tests.recordings.corpus import CORPUS, name_of, write
from tests.recordings.edf_cases import File, Signal
from tests.recordings.wfdb_cases import shorts
from tests.support.paths import RECORDINGS, ROOT

_DAY, _RATE, _MOST_GROWTH = 86_400, 250, 150 << 20
_CODES = {"8": 1, "16": 2, "24": 3, "32": 4, "61": 2, "80": 1, "160": 2, "212": 1.5, "310": 4 / 3, "311": 4 / 3}
examples = settings(deadline=None, suppress_health_check=list(HealthCheck))


def mask(lead: Lead) -> list[bool]:
    found = np.zeros(lead.signal.size, bool)
    for first, count in lead.missing:
        assert first >= 0
        assert count > 0
        assert first + count <= found.size
        assert not found[first : first + count].any()
        found[first : first + count] = True
    assert lead.missing == ranges_of(found)
    return found.tolist()


def assert_pieces(source: Source, whole: Recording, start: int, count: int) -> None:
    """Compare pieces with the slices of a recording."""
    pieces = list(source.pieces(start, count))
    assert [first for first, _ in pieces] == list(range(start, source.number_of_samples, count))
    for first, leads in pieces:
        for lead, expected in zip(leads, whole.leads, strict=True):
            assert (lead.name, lead.adc_gain) == (expected.name, expected.adc_gain)
            assert lead.signal.tolist() == expected.signal[first : first + count].tolist()
            assert mask(lead) == mask(expected)[first : first + count]


def refusal(reading: Callable[[], object]) -> str | None:
    try:
        reading()
    except UnreadableRecording as error:
        return str(error)
    return None


def assert_same(path: Path, sizes: list[int], starts: list[int], calibration: Calibration | None = None) -> None:
    whole, source = read(path, calibration), open_source(path, calibration)
    assert [lead.signal.size for lead in source.leads] == [0] * len(whole.leads)
    assert [lead.missing for lead in source.leads] == [()] * len(whole.leads)
    assert [(lead.name, lead.adc_gain) for lead in source.leads] == [(x.name, x.adc_gain) for x in whole.leads]
    assert source.lengths == tuple(lead.signal.size for lead in whole.leads)
    assert source.number_of_samples == max(source.lengths)
    for name in ("date", "sampling_rate", "label", "notes", "file_name"):
        assert getattr(source, name) == getattr(whole, name)
    for start, count in zip(starts, sizes, strict=True):
        assert_pieces(source, whole, start, count)


@pytest.mark.parametrize("case", CORPUS, ids=name_of)
def test_the_pieces_of_a_recording_are_its_slices(tmp_path: Path, case: Case) -> None:
    path, calibration = write(case, tmp_path), Calibration(unit=case.unit, leads=case.wanted)
    if case.refusal is not None:
        assert refusal(partial(open_source, path, calibration)) == case.refusal
    else:
        assert_same(path, [1, 2, 3, 5, 10**9, 1, 4], [0, 0, 0, 1, 0, 2, 3], calibration)


_windows = st.lists(st.tuples(st.integers(1, 90), st.integers(0, 130)), min_size=1, max_size=4)


@examples
@given(data=st.data(), code=st.sampled_from(list(_CODES)), frames=st.integers(1, 120), windows=_windows)
def test_the_pieces_of_a_wfdb_record_are_its_slices(
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
    code: str,
    frames: int,
    windows: list[tuple[int, int]],
) -> None:
    directory = tmp_path_factory.mktemp("wfdb")
    signals = data.draw(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 9)), min_size=1, max_size=3))
    offset, zero, gain = (data.draw(strategy) for strategy in (st.integers(0, 5), st.integers(-9, 9), st.booleans()))
    stored = int(offset + frames * sum(per_frame for per_frame, _ in signals) * _CODES[code]) + 1
    rate = "" if data.draw(st.booleans()) else str(frames)
    header = f"x {len(signals)} 250 {rate}\n" + "".join(
        f"x.dat {code}x{per_frame}:{skew}+{offset} {'-' * gain}200({zero})/mV 16 0 {i} 0 0 V{i}\n"
        for i, (per_frame, skew) in enumerate(signals, start=1)
    )
    (directory / "x.hea").write_text(header)
    # Few values, so that the markers of missing samples are among them.
    chance = np.random.default_rng(data.draw(st.integers(0, 999)))
    (directory / "x.dat").write_bytes(chance.choice(np.array([0, 0, 128, 255, 8], np.uint8), stored).tobytes())
    if (reason := refusal(partial(read, directory / "x.hea"))) is not None:
        assert "has no samples" in reason
        assert refusal(partial(open_source, directory / "x.hea")) == reason
    else:
        assert_same(directory / "x.hea", [count for count, _ in windows], [start for _, start in windows])


@examples
@given(lengths=st.lists(st.tuples(st.integers(1, 30), st.booleans(), st.booleans()), min_size=1), windows=_windows)
def test_the_pieces_of_a_record_with_segments_are_its_slices(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[tuple[int, bool, bool]], windows: list[tuple[int, int]]
) -> None:
    directory = tmp_path_factory.mktemp("segments")
    gain = "200(1)/mV 16 0 0 0 0"
    lines = [f"m/{len(lengths) + 2} 2 250", "layout 0"]
    (directory / "layout.hea").write_text(f"layout 2 250 0\n~ 0 {gain} II\n~ 0 {gain} V5\n")
    for i, (length, is_gap, is_short) in enumerate([*lengths, (3, False, False)]):
        lines.append(f"{'~' if is_gap else f's{i}'} {length}")
        names = ("II", "V5") if i % 2 else ("V5",)
        (directory / f"s{i}.hea").write_text(
            f"s{i} {len(names)} 250 {length}\n" + "".join(f"s{i}.dat 16 {gain} {name}\n" for name in names)
        )
        stored = max(1, length - is_short) * len(names)
        (directory / f"s{i}.dat").write_bytes(shorts(*(-(2**15) if n % 7 == 3 else n for n in range(stored))))
    (directory / "m.hea").write_text("\n".join(lines))
    assert_same(directory / "m.hea", [count for count, _ in windows], [start for _, start in windows])


@examples
@given(data=st.data(), annotated=st.booleans(), is_bdf=st.booleans(), windows=_windows)
def test_the_pieces_of_an_edf_file_are_its_slices(
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
    annotated: bool,
    is_bdf: bool,
    windows: list[tuple[int, int]],
) -> None:
    path = tmp_path_factory.mktemp("edf") / "x.edf"
    width = 3 if is_bdf else 2
    counts = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=3))
    pauses = data.draw(st.lists(st.sampled_from([0, 0, 0, 1, 2.5, 7]), min_size=1, max_size=20))
    signals = [Signal(f"ECG V{i}", least="-99", most="101", samples=str(n)) for i, n in enumerate(counts, start=1)]
    chance = np.random.default_rng(sum(counts))
    records, at = b"", 0.0
    for pause in pauses:
        at += pause
        records += chance.bytes(sum(counts) * width)
        records += f"+{at}\x14\x14".encode().ljust(8 * width, b"\0") if annotated else b""
        at += 1
    if annotated:
        signals.append(Signal("EDF Annotations", "", "-1", "1", samples="8"))
    version = b"\xffBIOSEMI" if is_bdf else b"0       "
    file = File(tuple(signals), records, str(len(pauses)), version=version, reserved="EDF+D" if annotated else "")
    path.write_bytes(file.content)
    assert_same(path, [count for count, _ in windows], [start for _, start in windows])


def holter(codes: list[int], frames: bytes) -> bytes:
    """Return an ISHNE file of leads with these codes."""
    header = bytearray(ishne([]))
    struct.pack_into("<h", header, 156, len(codes))
    for i, code in enumerate(codes):
        struct.pack_into("<h", header, 158 + 2 * i, code)
        struct.pack_into("<h", header, 206 + 2 * i, 5000)
    struct.pack_into("<H", header, 8, 0)
    return bytes(header) + frames


# I, II and V1 to V6, of which the other four of twelve leads are derived.
@pytest.mark.parametrize("codes", [[5], [6, 6, 6], [5, 6, 11, 12, 13, 14, 15, 16], [0, 1, -9]])
def test_the_pieces_of_an_ishne_file_are_its_slices(tmp_path: Path, codes: list[int]) -> None:
    path = tmp_path / "x.ecg"
    chance = np.random.default_rng(1)
    stored = chance.choice(np.array([-32768, -7, 0, 32767, 5], "<i2"), 101 * len(codes))
    path.write_bytes(holter(codes, stored.tobytes() + bytes(len(codes) > 1)))
    assert_same(path, [1, 7, 50, 101, 1000], [0, 3, 0, 0, 100])
    [*leads] = read(path).leads
    assert leads[0].signal.tolist() == [0 if s == -32768 else s for s in stored[:: len(codes)].tolist()]


@pytest.mark.parametrize(
    ("codes", "names", "note"),
    [
        ([6, 6, 6], ["II", "II_2", "II_3"], None),
        ([2, 19, 0], ["X", "AI", "Lead 3"], None),
        ([11, -9], ["V1", "Lead 2"], "Lead 2: its header says that there is no such lead"),
    ],
)
def test_leads_of_ishne_have_the_names_of_their_codes(
    tmp_path: Path, codes: list[int], names: list[str], note: str | None
) -> None:
    (tmp_path / "x.ecg").write_bytes(holter(codes, shorts(*range(1, 2 * len(codes) + 1))))
    recording = read(tmp_path / "x.ecg")
    assert [lead.name for lead in recording.leads] == names
    assert note is None or note in recording.notes


@pytest.mark.parametrize(
    ("at", "field", "reason"),
    [
        (156, 0, "byte 156: the number of leads must be 1 to 12"),
        (156, 13, "byte 156: the number of leads must be 1 to 12"),
        (272, 0, "byte 272: the sampling rate must be above 0"),
        (10, -1, "byte 10: a block of 65535 bytes does not fit into the file"),
    ],
)
def test_a_broken_header_of_ishne_is_refused_with_its_place(tmp_path: Path, at: int, field: int, reason: str) -> None:
    content = bytearray(ishne([5, -5, 6]))
    struct.pack_into("<h", content, at, field)
    (tmp_path / "x.ecg").write_bytes(content)
    assert refusal(partial(read, tmp_path / "x.ecg")) == reason


def test_an_ishne_file_without_samples_is_refused(tmp_path: Path) -> None:
    cut_short = "its header is cut short: it has 100 of 522 bytes"
    for content, reason in ((ishne([])[:100], cut_short), (ishne([]), "has no samples")):
        (tmp_path / "x.ecg").write_bytes(content)
        assert refusal(partial(open_source, tmp_path / "x.ecg")) == reason


def test_the_samples_of_ishne_come_after_the_block_of_variable_length(tmp_path: Path) -> None:
    content = bytearray(ishne([5, -5, 6]))
    content[522:522] = b"a note"
    struct.pack_into("<i", content, 10, 6)
    struct.pack_into("<H", content, 8, 0)
    for begin, notes in (
        (528, ()),
        (522, ("its header contradicts itself about where its samples begin: they are read from byte 528",)),
    ):
        struct.pack_into("<i", content, 22, begin)
        (tmp_path / "x.ecg").write_bytes(content)
        recording = read(tmp_path / "x.ecg")
        assert (recording.leads[0].signal.tolist(), recording.notes) == ([5, -5, 6], notes)


def test_pieces_begin_at_any_sample_and_end_with_the_longest_lead(tmp_path: Path) -> None:
    stored = shorts(1, -1, 7, 2, -2, 8)
    (tmp_path / "x.hea").write_text("x 2 250\nx.dat 16x2 200/mV 16 0 0 0 0 II\nx.dat 16 200/mV 16 0 0 0 0 V5\n")
    (tmp_path / "x.dat").write_bytes(stored)
    source = open_source(tmp_path / "x.hea")
    assert (source.lengths, source.number_of_samples, source.sampling_rate) == ((4, 2), 4, None)
    pieces = [(first, [lead.signal.tolist() for lead in leads]) for first, leads in source.pieces(1, 2)]
    assert pieces == [(1, [[-1, 2], [8]]), (3, [[-2], []])]
    assert list(source.pieces(4, 2)) == []


@pytest.mark.parametrize(
    ("first", "count", "expected"),
    [(0, 30, ((2, 3), (5, 1), (10, 10))), (3, 2, ((0, 2),)), (0, 2, ()), (6, 4, ()), (4, 8, ((0, 1), (1, 1), (6, 2)))],
)
def test_missing_ranges_are_cut_at_the_ends_of_a_piece(
    first: int, count: int, expected: tuple[tuple[int, int], ...]
) -> None:
    assert missing_within(((2, 3), (5, 1), (10, 10)), first, count) == expected


@pytest.mark.parametrize("name", ["100.hea", "s0010_re.hea", "formats/ishne_made_from_mitdb100.ecg"])
def test_the_pieces_of_a_real_recording_are_its_slices(name: str) -> None:
    if not (path := RECORDINGS / name).exists():
        pytest.skip(f"no {path}")
    whole, source = read(path), open_source(path)
    for count in (4096, 15_000):
        pieces = [leads for _, leads in source.pieces(0, count)]
        for i, lead in enumerate(whole.leads):
            np.testing.assert_array_equal(np.concatenate([leads[i].signal for leads in pieces]), lead.signal)


@pytest.mark.parametrize("name", ["x.dat", "x.edf", "x.ecg"])
@pytest.mark.parametrize("change", ["longer", "shorter", "other", "gone"])
def test_a_file_that_changes_between_its_pieces_is_refused(tmp_path: Path, name: str, change: str) -> None:
    (tmp_path / "x.hea").write_text("x 1 250 8\nx.dat 16 200/mV 16 0 0 0 0 II\n")
    stored = shorts(*range(1, 9))
    content = {
        "x.dat": stored,
        "x.edf": File((Signal(),), stored).content,
        "x.ecg": ishne(list(range(1, 9))),
    }[name]
    (tmp_path / name).write_bytes(content)
    pieces = open_source(tmp_path / name).pieces(0, 4)
    assert next(pieces)[1][0].signal.size == 4
    if change == "gone":
        (tmp_path / name).unlink()
    else:
        changed = {"longer": content + stored, "shorter": content[:-8], "other": content[:-1] + b"\1"}[change]
        (tmp_path / name).write_bytes(changed)
        os.utime(tmp_path / name, ns=(1, 1))
    with pytest.raises(UnreadableRecording, match="No such file" if change == "gone" else "was changed while it was"):
        next(pieces)


def day_of_wfdb(directory: Path) -> Path:
    """Write a day of three leads; most of the file is a hole, which takes no space."""
    code, size = "212", _DAY * _RATE * 3 * 3 // 2
    lines = [f"day.dat {code} 200(-7)/mV 12 0 0 0 0 {name}\n" for name in ("I", "II", "V5")]
    (directory / "day.hea").write_text(f"day 3 {_RATE} {_DAY * _RATE}\n{''.join(lines)}")
    with (directory / "day.dat").open("wb") as file:
        file.write(bytes(range(256)))
        file.truncate(size)
    return directory / "day.hea"


def day_of_edf(directory: Path) -> Path:
    """Write a day of three leads with annotations, and a pause after the first half."""
    signals = [Signal(f"ECG {name}", samples=str(_RATE)) for name in ("I", "II", "V5")]
    signals.append(Signal("EDF Annotations", "", "-1", "1", samples="8"))
    head = File(tuple(signals), b"", str(_DAY), reserved="EDF+D").content
    with (directory / "day.edf").open("wb") as file:
        file.write(head)
        for second in range(_DAY):
            onset = f"+{second + 60 * (second >= _DAY // 2)}\x14\x14".encode().ljust(16, b"\0")
            file.seek(3 * _RATE * 2, os.SEEK_CUR)
            file.write(onset)
    return directory / "day.edf"


def day_of_ishne(directory: Path) -> Path:
    """Write a day of three leads."""
    with (directory / "day.ecg").open("wb") as file:
        file.write(holter([5, 6, 15], shorts(*range(300))))
        file.truncate(522 + _DAY * _RATE * 3 * 2)
    return directory / "day.ecg"


# ru_maxrss is in kilobytes on Linux and in bytes on macOS.
_PROGRAM = dedent("""
    import resource, sys
    from ecg_client.recordings import open_source

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

    before = peak()
    source = open_source(sys.argv[1])
    samples = sum(lead.signal.size for _, leads in source.pieces(0, 15_000) for lead in leads)
    print(samples, peak() - before)
""")


@pytest.mark.parametrize("made", [day_of_wfdb, day_of_edf, day_of_ishne])
def test_a_day_is_read_in_little_memory(tmp_path: Path, made: Callable[[Path], Path]) -> None:
    command = [sys.executable, "-c", _PROGRAM, str(made(tmp_path))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    samples, growth = map(int, done.stdout.split())
    assert samples == 3 * _RATE * (_DAY + 60 * (made is day_of_edf))
    assert growth < _MOST_GROWTH
