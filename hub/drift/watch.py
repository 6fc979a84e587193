"""The daily comparison: every target's contracts, once a day, by one of the processes that serve."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from hub.app import Hub
from hub.catalogue import Catalogue
from hub.drift.comparison import Report, Standing, Watched, compare, note, watched
from hub.drift.shelf import Shelf
from hub.errors import ConfigurationError
from hub.settings import Settings

LOOKS_EVERY: Final = timedelta(minutes=15)
"""How often a process sees whether anything is due; so long after its start, at most, it sees it first."""

log = structlog.get_logger()


@asynccontextmanager
async def watching(hub: Hub, every: timedelta = LOOKS_EVERY) -> AsyncIterator[None]:
    """Compare contracts for the length of a block, if this process carries deliveries and the settings want it."""
    if not hub.carries or not hub.settings.drift_every:
        yield
        return
    working = asyncio.create_task(_again_and_again(hub, every))
    try:
        yield
    finally:
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working


async def _again_and_again(hub: Hub, every: timedelta) -> None:
    while True:
        await asyncio.sleep(random.uniform(0.1, 1) * every.total_seconds())  # noqa: S311  # not all at once
        try:
            await compare_what_is_due(hub.settings, hub.catalogue)
        except (OSError, ConfigurationError) as error:
            log.warning("contracts cannot be compared", error=type(error).__name__)
        except Exception as error:  # noqa: BLE001  # a contract that nobody foresaw must not stop what carries requests
            log.error("comparing contracts failed", error=type(error).__name__)  # noqa: TRY400  # texts may hold data


async def compare_what_is_due(settings: Settings, catalogue: Catalogue) -> list[Report]:
    """Compare the targets whose last comparison is old, unless another process does; gives what was found."""
    shelf = Shelf(settings.contracts)
    due = [one for one in watched(catalogue, settings.targets).values() if _is_due(shelf, one.name, settings)]
    if not due:
        return []
    with shelf.alone() as alone:
        left = [one for one in due if alone and _is_due(shelf, one.name, settings)]
        return [await _compare(target, shelf, catalogue, settings) for target in left]


async def _compare(target: Watched, shelf: Shelf, catalogue: Catalogue, settings: Settings) -> Report:
    report = await compare(target, shelf, catalogue, settings.places)
    note(shelf, report)
    if report.standing in {Standing.CHANGED, Standing.UNCHECKED}:
        broken = sorted({one.mapping for each in report.comparisons for one in each.breaks})
        log.warning("a contract is not as it was", target=target.name, standing=report.standing, mappings=broken)
    return report


def _is_due(shelf: Shelf, target: str, settings: Settings) -> bool:
    try:
        last = datetime.fromisoformat(shelf.last(target)["checked_at"])
    except (KeyError, TypeError, ValueError):
        return True
    return datetime.now(UTC) - last >= settings.drift_every
