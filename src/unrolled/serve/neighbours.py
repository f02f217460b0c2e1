"""The other processes of a service, each on a socket in a folder that only this user can enter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unrolled.serve.bodies import RefusedError


def socket_of(folder: Path, worker: int) -> Path:
    """Where one listens to the others."""
    return folder / f"worker-{worker}.sock"


class HttpNeighbours:
    """Processes that answer over HTTP on their sockets.

    Args:
        folder: where the sockets are.
        workers: how many there are.
        worker: which is this one.
    """

    def __init__(self, folder: Path, workers: int, worker: int) -> None:
        self.folder, self.workers, self.worker = folder, workers, worker
        self._clients: dict[int, Any] = {}

    async def ask(self, worker: int, message: Mapping[str, Any]) -> dict[str, Any]:
        """What one answers to a message.

        Raises:
            RefusedError: it refuses it, or is not there.
        """
        told = {key: value for key, value in message.items() if key != "id"}
        answer: dict[str, Any] = json.loads(
            await self._post(worker, "/v1/ask", json.dumps(told).encode(), {})
        )
        return answer

    async def send(self, worker: int, session: str, content: bytes) -> bytes:
        """What one answers to steps in the compact form; errors as `ask`."""
        return await self._post(worker, "/v1/ask-compact", content, {"session": session})

    async def metrics(self) -> list[str]:
        """The counts of all that are there."""
        import httpx

        texts = []
        for worker in range(self.workers):
            if worker != self.worker:
                try:
                    answer = await self._client(worker).get("http://neighbour/metrics", timeout=2)
                    texts.append(answer.text)
                except httpx.HTTPError:
                    continue  # it is being started anew
        return texts

    async def close(self) -> None:
        """Hang up."""
        for client in self._clients.values():
            await client.aclose()

    async def _post(self, worker: int, path: str, content: bytes, params: dict[str, str]) -> bytes:
        import httpx

        try:
            answer = await self._client(worker).post(
                f"http://neighbour{path}", content=content, params=params
            )
        except httpx.HTTPError:
            raise RefusedError(
                503,
                f"worker {worker}, which has the session, is not there: try again, or open it from its token",
            ) from None
        if answer.status_code != 200:
            raise RefusedError(answer.status_code, answer.json()["error"])
        said: bytes = answer.content
        return said

    def _client(self, worker: int) -> Any:
        import httpx

        if worker not in self._clients:
            path = socket_of(self.folder, worker)
            self._clients[worker] = httpx.AsyncClient(
                transport=httpx.AsyncHTTPTransport(uds=str(path)),
                timeout=60,
                trust_env=False,
            )
        return self._clients[worker]
