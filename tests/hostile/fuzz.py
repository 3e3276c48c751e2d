"""The decoders, and the readers of recordings, under a coverage-guided fuzzer: `make fuzz`, or `python -m
tests.hostile.fuzz -max_total_time=600`.

What it finds it writes to a file `crash-...`, which is given as an argument to try it again.
"""

import sys
from hashlib import sha256
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["shared", "ingest_api", "stream_agents", "ecg_client.recordings"]):
    from tests.decoders import DECODERS
    from tests.recordings.readers import READERS, seed_of

from tests.recordings.corpus import CORPUS

_TARGETS = {**DECODERS, **READERS}
_NAMES = list(_TARGETS)


def attempt(data: bytes) -> None:
    """Try the target that the first byte names."""
    if data:
        _TARGETS[_NAMES[data[0] % len(_NAMES)]](data[1:])


def plant(directory: Path) -> None:
    """Write the corpus of recordings where the fuzzer begins."""
    for case in CORPUS:
        suffix = case.main.rpartition(".")[2]
        if suffix in READERS:
            seed = bytes([_NAMES.index(suffix)]) + seed_of(case.files)
            (directory / f"recording-{sha256(seed).hexdigest()[:16]}").write_bytes(seed)


def main() -> None:
    """Fuzz until the time is over, or something is found."""
    for directory in map(Path, sys.argv[1:]):
        if directory.is_dir():
            plant(directory)
            break
    atheris.Setup(sys.argv, attempt)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
