"""How a verb of the command line talks to the hub it was pointed at."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import typer

from hub.terminal import note

if TYPE_CHECKING:
    from hub.client import HubClient

COULD_NOT: Final = 2
"""The exit code of what could not be done."""


def talk(context: typer.Context, say_what: Callable[[HubClient], Awaitable[Any]]) -> Any:
    """Talk to the hub; what it refuses, or that it is not there, goes to standard error, and exit code 2."""
    from hub.client import HubClient, RefusalError, UnreachableError

    async def conversation() -> Any:
        async with HubClient(*context.find_root().obj) as hub:
            return await say_what(hub)

    try:
        return asyncio.run(conversation())
    except (RefusalError, UnreachableError) as error:
        note(str(error))
        raise typer.Exit(COULD_NOT) from None


def read_object(content: bytes) -> dict[str, Any]:
    """Read a JSON object; raises BadParameter with the place where it is none."""
    try:
        said = json.loads(content)
    except ValueError as error:
        raise typer.BadParameter(f"this is no JSON: {error}") from None
    if not isinstance(said, dict):
        raise typer.BadParameter("what is expected here is a JSON object")
    return said


async def first(found: AsyncIterator[Any], most: int) -> list[Any]:
    """Take the first few of what is found."""
    taken: list[Any] = []
    async for one in found:
        taken.append(one)
        if len(taken) == most:
            break
    return taken
