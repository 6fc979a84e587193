"""The sandboxes' own API, as the demonstration uses it: break them, mend them, and count what they really took."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp


class Control:
    """One client of it: an async context manager that keeps its connections."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def __aenter__(self) -> Self:
        """Open."""
        self._session = aiohttp.ClientSession(self._url, raise_for_status=True)
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self._session.close()

    async def break_with(self, connector: str, fault: str, times: int) -> None:
        """Have a sandbox play a fault, so many times."""
        said = {"connector": connector, "fault": fault, "times": times}
        async with self._session.post("/faults", json=said):
            pass

    async def mend(self, connector: str) -> None:
        """Have a sandbox work again."""
        async with self._session.delete(f"/faults/{connector}"):
            pass

    async def taken(self, connector: str, *keys: str) -> dict[str, int]:
        """Count how often a sandbox took each of these keys, or each key there is."""
        asked = f"?{urlencode([('key', key) for key in keys])}" if keys else ""
        taken: dict[str, int] = await self._get(f"/taken/{connector}{asked}")
        return taken

    async def pay(self, connector: str, reference: str, result: str, door: str) -> bool:
        """Pay, or be refused by one's bank (`result`), then have the hub called at its door; False when too late."""
        said = {"reference": reference, "result": result, "door": door}
        async with self._session.post(f"/pay/{connector}", json=said, raise_for_status=False) as answer:
            return answer.status == 204

    async def end(self) -> None:
        """Have the sandboxes end."""
        async with self._session.delete("/"):
            pass

    async def menu(self) -> dict[str, dict[str, str]]:
        """Say what each fault of each sandbox does."""
        menu: dict[str, dict[str, str]] = await self._get("/menu")
        return menu

    async def _get(self, path: str) -> Any:
        async with self._session.get(path) as answer:
            return await answer.json()
