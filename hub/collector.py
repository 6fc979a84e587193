"""Fetching what targets hold for the city: each thing becomes one request, once, and only then is acknowledged.

A target gives again what was not acknowledged, and several processes may fetch beside each other: the name that the
target gives a thing is the idempotency key of its request, so that none of this makes two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from hub.access import Principal, Role
from hub.attachments import Attachments
from hub.connector import Deadline, Incoming, IncomingFile, Source
from hub.database import will_pass
from hub.errors import DeliveryError, MappingError
from hub.events import Announcer, Collected
from hub.files import MEDIA_TYPES
from hub.inbox import Inbox
from hub.intake import KeyReusedError, ReferenceTakenError, known
from hub.ledger import Ledger
from hub.policy import LONGEST_RETRY_AFTER
from hub.problems import Problem
from hub.stores import StoreError
from hub.target import LiveTarget
from hub.targets import gate

UNREADABLE: Final = "La ville ne sait pas traiter ce dossier tel qu'il est rempli."
"""What a target is told of a thing that no request can be made of."""

SUFFIXES: Final = {media_type: suffix for suffix, media_type in reversed(list(MEDIA_TYPES.items()))}
"""What a request keeps of files, and how their names end."""

log = structlog.get_logger()


class Collector:
    """Fetches from every target that is a source, each at its own pace, until cancelled."""

    def __init__(
        self,
        ledger: Ledger,
        attachments: Attachments,
        inbox: Inbox,
        announce: Announcer,
        *,
        every: timedelta,
    ) -> None:
        self._ledger, self._attachments = ledger, attachments
        self._inbox, self._announce, self._every = inbox, announce, every

    async def run(self, live: Mapping[str, LiveTarget]) -> None:
        """Fetch again and again from those of these targets that hold things for the city."""
        async with asyncio.TaskGroup() as loops:
            for target in live.values():
                if isinstance(target.connector, Source):
                    loops.create_task(self._again_and_again(target, target.connector))

    async def _again_and_again(self, target: LiveTarget, source: Source) -> None:
        while True:
            wait = self._every
            try:
                while await self._is_open(target) and await self.fetch(target, source):
                    pass
            except DeliveryError as error:
                log.warning("a source fails", target=target.name, code=error.code)
                wait = max(wait, min(error.retry_after or wait, LONGEST_RETRY_AFTER))
            except SQLAlchemyError as error:
                if not will_pass(error):
                    raise
                log.warning("the ledger fails", error=type(error).__name__)
            except Exception as error:  # noqa: BLE001  # a connector's bug must not stop the other sources
                log.error("connector failed", target=target.name, error=type(error).__name__)  # noqa: TRY400  # no text
            await asyncio.sleep(wait.total_seconds())

    async def _is_open(self, target: LiveTarget) -> bool:
        """Say whether a person and the hour let the target be spoken to."""
        now = self._ledger.book.now()
        switch = await self._ledger.read(gate, target.name)
        return not switch.paused and target.policy.opening(now) <= now

    async def fetch(self, target: LiveTarget, source: Source) -> bool:
        """Take in one page of what a target holds; False when nothing of it was new: there is no hurry for another.

        Raises DeliveryError or SQLAlchemyError: what was not acknowledged is given again.
        """
        page = await source.fetch(Deadline(target.policy.deadline))
        taken = [await self._settle(target, source, incoming) for incoming in page]
        return any(taken)

    async def _settle(self, target: LiveTarget, source: Source, incoming: Incoming) -> bool:
        """Make a request of one thing, and tell the target; True when there was none before.

        One that fails holds no other up: it is given again.
        """
        try:
            new = await self._take_in(target, incoming)
        except (MappingError, Problem, ReferenceTakenError) as error:
            log.error("nothing can be made of what a target gives", target=target.name, reason=said_of(error))  # noqa: TRY400
            self._announce(Collected(target.name, taken=False))
            await self._tell(target, source.decline(incoming, UNREADABLE, Deadline(target.policy.deadline)))
            return False
        except StoreError as error:
            log.warning("a file that came with it cannot be kept", target=target.name, code=error.code)
            return False
        if new:
            self._announce(Collected(target.name, taken=True))
        await self._tell(target, source.acknowledge(incoming, Deadline(target.policy.deadline)))
        return new

    async def _tell(self, target: LiveTarget, telling: Awaitable[None]) -> None:
        """Tell the target what became of a thing; where that fails, it gives the thing again, and is told then."""
        try:
            await telling
        except DeliveryError as error:
            log.warning("a source was not told", target=target.name, code=error.code)

    async def _take_in(self, target: LiveTarget, incoming: Incoming) -> bool:
        """Submit what a mapping makes of a thing, unless it was before; raises MappingError, Problem, StoreError."""
        mapping = self._ledger.book.catalogue.inbound.get(f"{target.connector_name}.{incoming.sort}")
        if mapping is None:
            raise MappingError(incoming.sort, ("from",))
        if await self._ledger.read(known, target.name, incoming.key):
            return False
        files = [named(file) for file in incoming.files if file.media_type in SUFFIXES]
        if len(files) < len(incoming.files):
            log.warning("files left out", target=target.name, files=len(incoming.files) - len(files))
        ids = await self._attachments.take(files, target.name)
        document = {"key": incoming.key, "fields": dict(incoming.fields), "attachments": ids}
        submission: Any = mapping.apply(document)
        if not isinstance(submission, dict):
            raise MappingError(mapping.name, ("expression",))
        caller = Principal(prefix=target.name, front_end=target.name, role=Role.FRONT_END)
        with suppress(KeyReusedError):  # another process took it in meanwhile, with files of its own
            await self._inbox.submit(caller, incoming.key, {**submission, "attachments": ids})
        return True


def named(file: IncomingFile) -> IncomingFile:
    """Give a file the ending of what it is, for one whose name has none."""
    return file if Path(file.name).suffix else replace(file, name=f"{file.name}{SUFFIXES[file.media_type]}")


def said_of(error: MappingError | Problem | ReferenceTakenError) -> str:
    """Name the fields at fault, never their values; the sort of problem where it is of no field."""
    match error:
        case MappingError():
            return ", ".join(error.fields)
        case Problem():
            return ", ".join(one.pointer for one in error.errors) or error.kind.slug
        case ReferenceTakenError():
            return "/external_reference"
