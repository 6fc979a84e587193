"""The account: the ledger's rows against what each sandbox says that it took, without holding either whole.

The ledger is read from its database, for a hub's API gives a page of a hundred at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from sqlalchemy import Engine, create_engine, func, select

from hub.catalogue import Catalogue
from hub.demo.people import People
from hub.demo.proof import NAMED, imbalance, mappings_that_ask, names_of
from hub.lifecycle import State
from hub.model import FINAL_STATUSES, Status
from hub.settlement import key_of
from hub.tables import Delivery, Request

REQUESTS: Final = Request.__table__  # type: ignore[attr-defined]
DELIVERIES: Final = Delivery.__table__  # type: ignore[attr-defined]
AT_ONCE: Final = 5_000
SHOWN: Final = 20


@dataclass
class Account:
    """What a replay did; `lost_ones` and `doubled_ones` name the first few."""

    accepted: int = 0
    delivered: int = 0
    refused: int = 0
    finalized: int = 0
    cancelled: int = 0
    lost: int = 0
    doubled: int = 0
    imbalance: int = 0
    seconds: float = 0.0
    by_kind: dict[str, dict[str, int]] = field(default_factory=dict)
    by_target: dict[str, dict[str, int]] = field(default_factory=dict)
    people: dict[str, int] = field(default_factory=dict)
    faults: int = 0
    memory: dict[str, dict[str, int]] = field(default_factory=dict)
    """Megabytes of the hub and of the sandboxes, at the first tenth, at the last, and at most."""
    lost_ones: list[str] = field(default_factory=list)
    doubled_ones: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Say whether nothing was lost, doubled or out of balance."""
        return not (self.lost or self.doubled or self.imbalance)

    def as_json(self) -> dict[str, Any]:
        """Give it as it is printed."""
        return {**asdict(self), "seconds": round(self.seconds, 1)}

    def lose(self, one: str) -> None:
        """Count what is lost."""
        self.lost += 1
        self.lost_ones += [one][: SHOWN - len(self.lost_ones)]

    def double(self, one: str) -> None:
        """Count what a target took more than once."""
        self.doubled += 1
        self.doubled_ones += [one][: SHOWN - len(self.doubled_ones)]


async def draw_up(people: People, database: str, catalogue: Catalogue, planned: int) -> Account:
    """Count in the ledger, count at the sandboxes, and compare; `planned` is how many requests there should be."""
    account = Account(imbalance=await imbalance(people.operator))
    engine, only_ask = create_engine(database), mappings_that_ask(catalogue)
    try:
        _count_requests(engine, account, planned)
        _count_deliveries(engine, account)
        for target, connector in people.connectors.items():
            _compare(engine, account, target, await people.control.taken(connector), only_ask)
    finally:
        engine.dispose()
    account.people = dict(people.did)
    return account


def _count_requests(engine: Engine, account: Account, planned: int) -> None:
    by_status: Counter[Status] = Counter()
    counted = select(REQUESTS.c.kind, REQUESTS.c.status, func.count()).group_by(REQUESTS.c.kind, REQUESTS.c.status)
    for kind, status, count in _rows(engine, counted):
        by_status[Status(status)] += count
        account.by_kind.setdefault(kind, {})[status] = count
    account.accepted = by_status.total()
    account.cancelled = by_status[Status.CANCELLED]
    for status, name in NAMED.items():
        setattr(account, name, by_status[status])
    unended = select(REQUESTS.c.number).where(REQUESTS.c.status.not_in([str(one) for one in FINAL_STATUSES]))
    for row in _rows(engine, unended):
        account.lose(f"{row.number:09d} has not ended")
    account.lost += max(0, planned - account.accepted)


def _count_deliveries(engine: Engine, account: Account) -> None:
    columns = DELIVERIES.c.target, DELIVERIES.c.state
    for target, state, count in _rows(engine, select(*columns, func.count()).group_by(*columns)):
        account.by_target.setdefault(target, {})[state] = count


def _compare(
    engine: Engine, account: Account, target: str, taken: Mapping[str, int], only_ask: Collection[str]
) -> None:
    """Look for every delivery of a target among what its sandbox took."""
    for key, times in taken.items():
        if times > 1:
            account.double(f"{key} at {target}, {times} times")
    columns = (DELIVERIES.c[name] for name in ("id", "mapping", "reference"))
    ended = DELIVERIES.c.state.in_([State.DELIVERED, State.FINALIZED])
    for row in _rows(engine, select(*columns).where(DELIVERIES.c.target == target, ended)):
        key = key_of(row.id)
        if row.mapping not in only_ask and not taken.keys() & names_of(target, key, row.reference):
            account.lose(f"{key} at {target} ({row.mapping})")


def _rows(engine: Engine, asked: Any) -> Iterator[Any]:
    with engine.connect().execution_options(yield_per=AT_ONCE) as connection:
        yield from connection.execute(asked)
