"""Coverage-guided fuzzing of the decoders: `make fuzz`, or `python -m tests.hostile.fuzz -max_total_time=600`.

The fuzzer writes an input that fails to a file `crash-...`; give its path as an argument to try the input again.
"""

import sys

import atheris

with atheris.instrument_imports(include=["shared", "ingest_api", "stream_agents", "tests.support.decoders"]):
    from tests.support.decoders import DECODERS

_NAMES = list(DECODERS)


def attempt(data: bytes) -> None:
    """Call the decoder whose number is the first byte with the other bytes."""
    if data:
        DECODERS[_NAMES[data[0] % len(_NAMES)]](data[1:])


def main() -> None:
    """Fuzz until the time is over, or an input fails."""
    atheris.Setup(sys.argv, attempt)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
