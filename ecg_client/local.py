"""What a stack that runs on this machine says of itself, in its data directory."""

import os
from pathlib import Path

import msgspec


class RunningStack(msgspec.Struct, frozen=True):
    """A running stack's addresses, and the token that registers users with it."""

    url: str
    admin_token: str
    bootstrap_servers: str
    embedded_broker: bool


def state_file(data_dir: Path) -> Path:
    """Return the file in which a running stack says how to reach it."""
    return data_dir / "stack.json"


def running_stack() -> RunningStack | None:
    """Return the stack that runs with the data directory of the environment, if one does."""
    try:
        state = state_file(Path(os.environ.get("ECG_DATA_DIR", "data"))).read_bytes()
        return msgspec.json.decode(state, type=RunningStack)
    except (OSError, msgspec.MsgspecError):
        return None
