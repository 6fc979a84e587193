"""The sandboxes' own API, as the demonstration uses it: break them, mend them, and count what they really took."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

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

    async def taken(self, connector: str) -> dict[str, int]:
        """Count how often a sandbox took each key."""
        taken: dict[str, int] = await self._get(f"/taken/{connector}")
        return taken

    async def menu(self) -> dict[str, dict[str, str]]:
        """Say what each fault of each sandbox does."""
        menu: dict[str, dict[str, str]] = await self._get("/menu")
        return menu

    async def _get(self, path: str) -> Any:
        async with self._session.get(path) as answer:
            return await answer.json()
