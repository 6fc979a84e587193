"""How an installation keeps its audit: where its last row is witnessed, how often, and for how long rows are kept."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field

from hub.model import Duration, Frozen

SYSLOG: Final = ("syslog+tcp://", "syslog+udp://")


def _place(said: str) -> str:
    """Take a file's path, or a syslog server with its port."""
    if "://" not in said:
        return said
    host, _, port = said.partition("://")[2].rpartition(":")
    if not said.startswith(SYSLOG) or not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ValueError("expected a file, syslog+tcp://host:port or syslog+udp://host:port")
    return said


class AuditSettings(Frozen):
    """Where the number and hash of the audit's last row go, how often, and for how long rows are kept.

    `anchor`: a file that the hub only appends to, on another disk or machine, or a syslog server. `archive`: a folder
    where rows are written down before they are let go.
    """

    anchor: Annotated[str, Field(min_length=1), AfterValidator(_place)] | None = None
    every: Duration = Field(default=timedelta(minutes=5), ge=timedelta(seconds=1), le=timedelta(days=1))
    keep: Duration = Field(default=timedelta(days=365), ge=timedelta(days=180), le=timedelta(days=366))
    archive: Path | None = None

    def beside(self, folder: Path) -> Self:
        """Take relative paths from `folder`."""
        is_file = self.anchor is not None and "://" not in self.anchor
        anchor = str(folder / self.anchor) if is_file and self.anchor else self.anchor
        return self.model_copy(update={"anchor": anchor, "archive": folder / self.archive if self.archive else None})
