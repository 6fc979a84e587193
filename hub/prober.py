"""Asking each target now and then whether it is up and knows us, so that an outage is known before a delivery meets it.

Of the processes that serve a target one alone asks: its turn is a row of the ledger that ends soon after it does.
What a target answers opens no breaker and holds nothing up: only monitoring hears of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final, NamedTuple
from zlib import crc32

import structlog
from sqlalchemy import Connection, or_
from sqlalchemy.exc import SQLAlchemyError

from hub.connector import Deadline
from hub.database import will_pass
from hub.errors import DeliveryError
from hub.events import Announcer, Probed
from hub.ledger import Ledger
from hub.statements import upsert
from hub.tables import COUNTERS
from hub.target import LiveTarget
from hub.targets import gate

WITHIN: Final = timedelta(seconds=10)
"""How long a target has to answer at most."""

LASTS: Final = 3
"""How many rounds a turn lasts: whoever dies leaves the target unasked for so many."""

NEVER: Final = -1
"""What stands for the end of a turn by whoever had none."""

log = structlog.get_logger()


class Turn(NamedTuple):
    """A wish to be the one who asks a target: until when we were it, the moment now, and until when we want it."""

    target: str
    mine: int
    now: int
    until: int

    @property
    def name(self) -> str:
        """The row's name, which is short."""
        return f"probe.{crc32(self.target.encode()):08x}"


def take_turns(connection: Connection, wanted: Sequence[Turn]) -> list[bool]:
    """Give each turn to who has it already, or to the first once it is over; False when another has it."""
    return [_take_turn(connection, turn) for turn in wanted]


def _take_turn(connection: Connection, turn: Turn) -> bool:
    value = COUNTERS.c.value
    statement = upsert(COUNTERS).on_conflict_do_update(
        index_elements=["name"], set_={"value": turn.until}, where=or_(value == turn.mine, value < turn.now)
    )
    taken = statement.returning(value)
    return connection.execute(taken, {"name": turn.name, "value": turn.until}).first() is not None


class Prober:
    """Asks every target, each at the same pace, until cancelled."""

    def __init__(self, ledger: Ledger, announce: Announcer, *, every: timedelta) -> None:
        self._ledger, self._announce, self._every = ledger, announce, every
        self._turns: dict[str, int] = {}
        self._said: dict[str, str] = {}

    async def run(self, live: Mapping[str, LiveTarget]) -> None:
        """Ask these targets again and again, the first time after a whole interval: a start has enough to do."""
        async with asyncio.TaskGroup() as loops:
            for target in live.values():
                loops.create_task(self._again_and_again(target))

    async def _again_and_again(self, target: LiveTarget) -> None:
        while True:
            await asyncio.sleep(self._every.total_seconds())
            try:
                up = await self.probe(target) if await self._is_ours(target) else None
            except SQLAlchemyError as error:
                if not will_pass(error):
                    raise
                up = None
            self._announce(Probed(target.name, up))

    async def _is_ours(self, target: LiveTarget) -> bool:
        """Say whether a person and the hour let the target be spoken to, and nobody else asks it."""
        now = self._ledger.book.now()
        switch = await self._ledger.read(gate, target.name)
        if switch.paused or target.policy.opening(now) > now:
            return False
        until = now + int(self._every.total_seconds() * 1000 * LASTS)
        turn = Turn(target.name, self._turns.get(target.name, NEVER), now, until)
        ours: bool = await self._ledger.write(take_turns, turn)
        self._turns[target.name] = until if ours else NEVER
        return ours

    async def probe(self, target: LiveTarget) -> bool:
        """Ask a target once; what is wrong is logged when it begins."""
        code = await self._code_of(target)
        if code != self._said.get(target.name, ""):
            log.warning("a probe fails" if code else "a probe succeeds again", target=target.name, code=code)
        self._said[target.name] = code
        return not code

    async def _code_of(self, target: LiveTarget) -> str:
        deadline = Deadline(min(target.policy.deadline, WITHIN))
        try:
            async with asyncio.timeout(deadline.left):
                await target.connector.probe(deadline)
        except DeliveryError as error:
            return error.code
        except TimeoutError:
            return "timeout"
        except Exception as error:  # noqa: BLE001  # a connector's bug must not stop the others' probes
            log.error("connector failed", target=target.name, error=type(error).__name__)  # noqa: TRY400  # no text
            return "connector_bug"
        return ""
