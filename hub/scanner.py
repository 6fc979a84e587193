"""ClamAV: whether a file is known to be malicious, asked of a clamd before the file is kept.

What clamd has not called clean is not kept: a file that it knows is refused, and while it does not answer nothing is
taken.
"""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog
from clamav_client.clamd import ClamdError, ClamdNetworkSocket, ClamdUnixSocket

from hub.files import Scan, unscanned
from hub.problems import Problem, ProblemType
from hub.stores import StoreError

ANSWERS_WITHIN: Final = 20.0
"""Seconds for one file, waiting for its turn included."""

AT_ONCE: Final = 8
"""Files at once: clamd, unless told otherwise, looks at ten."""

log = structlog.get_logger()


class ScannerError(StoreError):
    """The scanner did not say that a file is clean: it was not kept."""


class Scanner:
    """A clamd, at `tcp://host:port` or at the path of its Unix socket; it is sent the file itself (INSTREAM)."""

    def __init__(self, address: str, *, within: float = ANSWERS_WITHIN) -> None:
        self._address, self._within = address, within
        self._threads = ThreadPoolExecutor(AT_ONCE, "scanner")

    async def check(self, file: Path) -> None:
        """Let a clean file through; raises Problem 422 for another, ScannerError when nothing was said of it."""
        line = self._line()
        asked = asyncio.get_running_loop().run_in_executor(self._threads, _ask, line, file)
        try:
            async with asyncio.timeout(self._within):
                said, name = await asked
        except TimeoutError:
            _hang_up(line)
            raise ScannerError("scanner_timeout") from None
        except (ClamdError, OSError, ValueError):
            raise ScannerError("scanner_unreachable") from None
        if said == "FOUND":
            log.warning("a file is malicious", code="infected", signature=name)
            raise Problem(ProblemType.FILE_REFUSED, "Le fichier contient un programme malveillant.")
        if said != "OK":
            raise ScannerError("scanner_failed")

    def _line(self) -> ClamdNetworkSocket:
        if not self._address.startswith("tcp://"):
            return ClamdUnixSocket(self._address, self._within)  # type: ignore[arg-type]  # any number will do
        host, _, port = self._address.removeprefix("tcp://").rpartition(":")
        return ClamdNetworkSocket(host, int(port), self._within)


def scan_by(address: str | None) -> Scan:
    """Give what looks at files: the scanner that the settings name, if any."""
    return Scanner(address).check if address else unscanned


def _ask(line: ClamdNetworkSocket, file: Path) -> tuple[str, str]:
    """Send a file to clamd; give its verdict, "" when it said nothing, and the name of what it found."""
    with file.open("rb") as opened:
        results = line.instream(opened)
    said, name = next(iter(results.values()), ("", None))
    return said, name or ""


def _hang_up(line: ClamdNetworkSocket) -> None:
    """End a conversation whose thread would otherwise go on waiting."""
    if isinstance(opened := getattr(line, "clamd_socket", None), socket.socket):
        with suppress(OSError):
            opened.shutdown(socket.SHUT_RDWR)
