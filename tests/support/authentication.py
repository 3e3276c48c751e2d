"""Requests that tell whether a token is accepted."""

import httpx

# An id in the form of issued ones that belongs to nobody: a user with a valid token gets 404, without any worker.
NOBODYS = "00000000-0000-8000-8000-000000000000"
ACCEPTED = 404


async def ask(client: httpx.AsyncClient, token: str) -> int:
    """Return the status of a request with a token: 404 if the token is accepted."""
    return (await client.get(f"/ecgs/{NOBODYS}/insights", headers={"x-user-token": token})).status_code
