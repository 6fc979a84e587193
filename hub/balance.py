"""The balance of the ledger: what was accepted against where it all stands, in one snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from hub.model import Status
from hub.tables import REQUESTS, TALLY


@dataclass(frozen=True, slots=True)
class KindBalance:
    """One kind: how many were accepted, and how many stand at each status now."""

    kind: str
    accepted: int
    standing: Mapping[Status, int]

    @property
    def imbalance(self) -> int:
        """What is missing (positive) or too many (negative): anything but zero is a fault of ours."""
        return self.accepted - sum(self.standing.values())


def balance(connection: Connection) -> list[KindBalance]:
    """Count, kind by kind; both counts are read in the connection's one transaction."""
    accepted = {row.kind: row.accepted for row in connection.execute(select(TALLY))}
    counted = select(REQUESTS.c.kind, REQUESTS.c.status, func.count().label("requests")).group_by(
        REQUESTS.c.kind, REQUESTS.c.status
    )
    standing: dict[str, dict[Status, int]] = {kind: dict.fromkeys(Status, 0) for kind in accepted}
    for row in connection.execute(counted):
        standing.setdefault(row.kind, dict.fromkeys(Status, 0))[Status(row.status)] = row.requests
    return [KindBalance(kind, accepted.get(kind, 0), standing[kind]) for kind in sorted(standing)]
