"""Whoever submits ECGs and asks for their insights all the time, through the proxy."""

import asyncio
import itertools
from types import TracebackType
from typing import Self

import httpx

from tests.support.conditions import eventually

SIGNAL = [1, 0, -1, 0, 1, 0, 0, 1]
_CLIENTS = 4
_PAUSE = 0.1
_ATTEMPTS = 3


class Load:
    """Several clients that keep their connections; the block has what they were told.

    Args:
        url: of the proxy.
        token: of the user who submits.
    """

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._headers = {"x-user-token": token}
        self.accepted: list[str] = []
        self.failures: list[str] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._submit()) for _ in range(_CLIENTS)]
        before = len(self.accepted)

        async def probe() -> bool | None:
            return len(self.accepted) > before + _CLIENTS or None

        await eventually(probe, what="the first submissions")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _submit(self) -> None:
        async with self._client() as client:
            for number in itertools.count():
                try:
                    answer = await client.post("/ecgs", json={"leads": [{"name": "I", "signal": SIGNAL}]})
                    if answer.status_code == 201:
                        self.accepted.append(answer.json()["id"])
                    else:
                        self.failures.append(f"POST {number}: {answer.status_code} {answer.text}")
                    if self.accepted:
                        asked = self.accepted[-1]
                        answer = await self._ask(client, f"/ecgs/{asked}/insights")
                        if answer.status_code not in (200, 202):
                            self.failures.append(f"GET {number}: {answer.status_code} {answer.text}")
                except httpx.HTTPError as error:
                    self.failures.append(f"{number}: {error!r}")
                await asyncio.sleep(_PAUSE)

    async def _ask(self, client: httpx.AsyncClient, path: str) -> httpx.Response:
        """Ask again after a gateway's 503, as its header says, while a partition is handed over to another worker."""
        for _ in range(_ATTEMPTS):
            answer = await client.get(path)
            # The proxy's own 503 has no such header: it found no gateway.
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or "retry-after" not in answer.headers:
                break
            await asyncio.sleep(int(answer.headers["retry-after"]))
        return answer

    async def all_have_insights(self) -> None:
        """Return when every ECG that was accepted has its insights."""
        async with self._client() as client:
            for ecg_id in self.accepted:

                async def probe(ecg_id: str = ecg_id) -> int | None:
                    answer = await client.get(f"/ecgs/{ecg_id}/insights")
                    assert answer.status_code != 404, f"{ecg_id} is lost"
                    return answer.json()["leads"][0]["number_of_zero_crossings"] if answer.status_code == 200 else None

                assert await eventually(probe, what=f"insights of {ecg_id}") == 3

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self._url, headers=self._headers, timeout=60)
