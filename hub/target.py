"""A target as this process speaks to it: its connector at work, and everything that governs the talk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hub.connector import Connector, Deadline, Outbound, Receipt
from hub.errors import TransientError, UncertainError
from hub.manifest import UNMAPPED, Operation
from hub.policy import Policy
from hub.routing import INTEGRATION_ERROR


@dataclass(frozen=True)
class LiveTarget:
    """A target with its connector connected."""

    name: str
    connector_name: str
    connector: Connector
    policy: Policy
    operations: Mapping[str, Operation]
    stage: str

    def stage_of(self, code: str, stage: str) -> str:
        """Say what agents read when this target fails: the table's word, the target's own, or the general one."""
        if stage:
            return stage
        return INTEGRATION_ERROR if code in {UNMAPPED, "mapping", "poison"} else self.stage


class Absent:
    """Speaks for a target that this installation no longer has: nothing reaches it."""

    async def deliver(self, _message: Outbound) -> Receipt:
        """Send nothing."""
        raise TransientError("no_target")

    async def look_up(self, _message: Outbound) -> Receipt | None:
        """Ask nobody."""
        raise UncertainError("no_target")

    async def probe(self, _deadline: Deadline) -> None:
        """Find nobody."""
        raise TransientError("no_target")

    async def close(self) -> None:
        """Hold nothing."""


def absent(target: str) -> LiveTarget:
    """Stand in for a target that this installation no longer has, to settle what was under way to it."""
    return LiveTarget(target, "", Absent(), Policy(), {}, INTEGRATION_ERROR)
