"""The state file in which a stack on this machine publishes its addresses and its admin token."""

import os
from pathlib import Path

import msgspec


class RunningStack(msgspec.Struct, frozen=True):
    """The addresses and the admin token of a running stack."""

    url: str
    admin_token: str
    bootstrap_servers: str
    embedded_broker: bool


def state_file(data_dir: Path) -> Path:
    """Return the path of the state file in a data directory."""
    return data_dir / "stack.json"


def running_stack() -> RunningStack | None:
    """Return the stack that runs with this environment's data directory, or None if none does."""
    try:
        state = state_file(Path(os.environ.get("ECG_DATA_DIR", "data"))).read_bytes()
        return msgspec.json.decode(state, type=RunningStack)
    except (OSError, msgspec.MsgspecError):
        return None
