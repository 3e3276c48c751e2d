"""Coverage-guided fuzzing of decoders and of readers of recordings: `make fuzz`, or
`python -m tests.hostile.fuzz -max_total_time=600`.

The fuzzer writes an input that fails to a file `crash-...`; give its path as an argument to try the input again.
"""

import sys
from hashlib import sha256
from pathlib import Path

import atheris

with atheris.instrument_imports(
    include=["shared", "ingest_api", "stream_agents", "ecg_client.recordings", "tests.support.decoders"]
):
    from tests.recordings.readers import READERS, seed_of
    from tests.support.decoders import DECODERS

from tests.recordings.corpus import CORPUS

_TARGETS = {**DECODERS, **READERS}
_NAMES = list(_TARGETS)


def attempt(data: bytes) -> None:
    """Call the target whose number is the first byte with the other bytes."""
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
    """Fuzz until the time is over, or an input fails."""
    for directory in map(Path, sys.argv[1:]):
        if directory.is_dir():
            plant(directory)
            break
    atheris.Setup(sys.argv, attempt)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
