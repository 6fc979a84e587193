"""What is had from the identity provider and kept: asked for once for all who wait, and not while it is away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

import structlog

from monitoring.console.identity_errors import SignInError

log = structlog.get_logger()

Had = TypeVar("Had")

FRESH: Final = 3_600.0
"""Seconds for which it is kept without asking."""

GOOD_FOR: Final = 86_400.0
"""Seconds for which it is gone by when it cannot be had anew."""

LEFT_ALONE: Final = 10.0
"""Seconds for which a provider is not asked again after a failure: whoever comes meanwhile is told at once."""

ASKED_AGAIN: Final = 30.0
"""Seconds between two askings because what is kept will not do."""


class Kept(Generic[Had]):
    """One thing that a provider shows."""

    def __init__(self, ask: Callable[[], Awaitable[Had]], clock: Callable[[], float]) -> None:
        self._ask, self._clock = ask, clock
        self._had: Had | None = None
        self._had_at = self._asked_again_at = self._failed_at = float("-inf")
        self._failure: str | None = None
        self._asking: asyncio.Task[None] | None = None

    async def get(self, *, afresh: bool = False) -> Had:
        """Give it; `afresh`: what is kept will not do. Raises the SignInError for which it cannot be had."""
        wanted = afresh or self._clock() - self._had_at > FRESH
        if wanted and self._asking is None and self._may_ask(afresh=afresh):
            self._asking = asyncio.create_task(self._take())
        if wanted and self._asking is not None:
            await asyncio.shield(self._asking)
        if self._failure is not None and (afresh or self._clock() - self._had_at > GOOD_FOR):
            raise SignInError(self._failure)
        assert self._had is not None  # noqa: S101  # what was never had was asked for, and did not fail
        return self._had

    def _may_ask(self, *, afresh: bool) -> bool:
        now = self._clock()
        if now - self._failed_at < LEFT_ALONE:
            return False
        if afresh and now - self._asked_again_at <= ASKED_AGAIN:
            return False
        self._asked_again_at = now if afresh else self._asked_again_at
        return True

    async def _take(self) -> None:
        try:
            self._had = await self._ask()
        except SignInError as refused:
            self._failure, self._failed_at = refused.code, self._clock()
            self._asked_again_at = float("-inf")
            log.warning("identity provider not heard", code=refused.code)
        else:
            self._failure, self._had_at = None, self._clock()
        finally:
            self._asking = None
