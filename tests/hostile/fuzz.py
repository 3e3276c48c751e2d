"""The decoders under a coverage-guided fuzzer: `make fuzz`, or `python -m tests.hostile.fuzz -max_total_time=600`.

What it finds it writes to a file `crash-...`, which is given as an argument to try it again.
"""

import sys

import atheris

with atheris.instrument_imports(include=["shared", "ingest_api", "stream_agents", "tests.decoders"]):
    from tests.decoders import DECODERS

_NAMES = list(DECODERS)


def attempt(data: bytes) -> None:
    """Try the decoder that the first byte names."""
    if data:
        DECODERS[_NAMES[data[0] % len(_NAMES)]](data[1:])


def main() -> None:
    """Fuzz until the time is over, or something is found."""
    atheris.Setup(sys.argv, attempt)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
