"""What a target that calls the hub may have done: nothing but to its own deliveries, and nothing it has not proved."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from hub.connector import Deadline, Outbound
from hub.events import Listener
from hub.inbox import Wake
from hub.ledger import Ledger
from hub.model import DeliveryKey, Verdict
from hub.parcel import Parcel, write
from hub.settlement import delivery_of, key_of
from hub.target import LiveTarget
from hub.testimony import Nudge, Word, created

NO_HURRY: Final = timedelta(0)


class TargetDesk:
    """The desk of one target."""

    def __init__(self, ledger: Ledger, target: LiveTarget, wake: Wake, announce: Listener) -> None:
        self._ledger, self._target, self._wake, self._announce = ledger, target, wake, announce

    async def nudge(self, reference: str) -> bool:
        """Ask the target now, rather than later, about what waits under its reference; False when nothing does."""
        due = await self._ledger.nudge(Nudge(self._target.name, reference))
        if due:
            self._wake({self._target.name: due})
        return bool(due)

    async def conclude(self, key: DeliveryKey, verdict: Verdict, code: str = "") -> bool:
        """Take the target's proved word for a delivery; False when it has none of that key."""
        delivery = delivery_of(key)
        if delivery is None:
            return False
        heard = await self._ledger.hear(Word(self._target.name, delivery, verdict, code))
        for change in heard.settled.stages:
            self._announce(change)
        if heard.settled.due:
            self._wake(heard.settled.due)
        return heard.known

    async def sent(self, operation: str, since: datetime, until: datetime) -> Sequence[Outbound]:
        """Give the messages of an operation whose delivery was created in that time, the oldest first."""
        claims = await self._ledger.read(created, self._ledger.book, self._target.name, since, until)
        parcels = [write(self._ledger.book, self._target, claim) for claim in claims]
        return [
            Outbound(key_of(one.claim.id), one.name, one.body, Deadline(NO_HURRY))
            for one in parcels
            if isinstance(one, Parcel) and one.name == operation
        ]
