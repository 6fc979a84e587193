"""Fetching what targets hold for the city: each thing becomes one request, once, and only then is acknowledged.

A target gives again what was not acknowledged, and several processes may fetch beside each other: the name that the
target gives a thing is the idempotency key of its request, so that none of this makes two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from hub.access import Principal, Role
from hub.attachments import Attachments
from hub.catalogue import Catalogue
from hub.connector import Deadline, Incoming, Source
from hub.database import will_pass
from hub.errors import DeliveryError, MappingError
from hub.events import Announcer, Collected
from hub.files import MEDIA_TYPES
from hub.inbox import Inbox
from hub.intake import KeyReusedError, ReferenceTakenError, known
from hub.ledger import Ledger
from hub.problems import Problem
from hub.stores import StoreError
from hub.target import LiveTarget

UNREADABLE: Final = "La ville ne sait pas traiter ce dossier tel qu'il est rempli."
"""What a target is told of a thing that no request can be made of."""

log = structlog.get_logger()


class Collector:
    """Fetches from every target that is a source, each at its own pace, until cancelled."""

    def __init__(  # noqa: PLR0913  # the composition root hands it everything it works with
        self,
        ledger: Ledger,
        catalogue: Catalogue,
        attachments: Attachments,
        inbox: Inbox,
        announce: Announcer,
        *,
        every: timedelta,
    ) -> None:
        self._ledger, self._catalogue, self._attachments = ledger, catalogue, attachments
        self._inbox, self._announce, self._every = inbox, announce, every

    async def run(self, live: Mapping[str, LiveTarget]) -> None:
        """Fetch again and again from those of these targets that hold things for the city."""
        async with asyncio.TaskGroup() as loops:
            for target in live.values():
                if isinstance(target.connector, Source):
                    loops.create_task(self._again_and_again(target, target.connector))

    async def _again_and_again(self, target: LiveTarget, source: Source) -> None:
        while True:
            try:
                while await self.fetch(target, source):
                    pass
            except DeliveryError as error:
                log.warning("a source fails", target=target.name, code=error.code)
                await asyncio.sleep(error.retry_after.total_seconds() if error.retry_after else 0)
            except SQLAlchemyError as error:
                if not will_pass(error):
                    raise
                log.warning("the ledger fails", error=type(error).__name__)
            await asyncio.sleep(self._every.total_seconds())

    async def fetch(self, target: LiveTarget, source: Source) -> bool:
        """Take in one page of what a target holds; False when nothing of it could be settled.

        Raises DeliveryError or SQLAlchemyError: what was not acknowledged is given again.
        """
        page = await source.fetch(Deadline(target.policy.deadline))
        settled = [await self._settle(target, source, incoming) for incoming in page]
        return any(settled)

    async def _settle(self, target: LiveTarget, source: Source, incoming: Incoming) -> bool:
        """Make a request of one thing, and tell the target; False when it must be tried again later."""
        try:
            await self._take_in(target, incoming)
        except (MappingError, Problem, ReferenceTakenError) as error:
            log.error("nothing can be made of what a target gives", target=target.name, reason=said_of(error))  # noqa: TRY400
            self._announce(Collected(target.name, taken=False))
            await source.decline(incoming, UNREADABLE, Deadline(target.policy.deadline))
        except StoreError as error:
            log.warning("a file that came with it cannot be kept", target=target.name, code=error.code)
            return False
        else:
            self._announce(Collected(target.name, taken=True))
            await source.acknowledge(incoming, Deadline(target.policy.deadline))
        return True

    async def _take_in(self, target: LiveTarget, incoming: Incoming) -> None:
        """Submit what a mapping makes of a thing, unless it was before; raises MappingError, Problem, StoreError."""
        mapping = self._catalogue.inbound.get(f"{target.connector_name}.{incoming.sort}")
        if mapping is None:
            raise MappingError(incoming.sort, ("from",))
        if await self._ledger.read(known, target.name, incoming.key):
            return
        files = [file for file in incoming.files if file.media_type in MEDIA_TYPES.values()]
        ids = await self._attachments.take(files, target.name)
        document = {"key": incoming.key, "fields": dict(incoming.fields), "attachments": ids}
        submission: dict[str, Any] = mapping.apply(document)
        caller = Principal(prefix=target.name, front_end=target.name, role=Role.FRONT_END)
        with suppress(KeyReusedError):  # another process took it in meanwhile, with files of its own
            await self._inbox.submit(caller, incoming.key, {**submission, "attachments": ids})


def said_of(error: MappingError | Problem | ReferenceTakenError) -> str:
    """Name the fields at fault, never their values; the sort of problem where it is of no field."""
    match error:
        case MappingError():
            return ", ".join(error.fields)
        case Problem():
            return ", ".join(one.pointer for one in error.errors) or error.kind.slug
        case ReferenceTakenError():
            return "/external_reference"
