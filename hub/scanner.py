"""ClamAV: whether a file is known to be malicious, asked of a clamd before the file is kept.

What clamd has not called clean is not kept: a file that it knows is refused, and while it does not answer nothing is
taken. The conversation is clamd(8)'s INSTREAM: each piece after its length in four bytes, a length of zero at the end,
and one answer: `stream: OK`, `stream: NAME FOUND`, or something that ends in ERROR.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import structlog

from hub.files import Scan, unscanned
from hub.problems import Problem, ProblemType
from hub.stores import PIECE, StoreError

ANSWERS_WITHIN: Final = 20.0
"""Seconds for one file, waiting for its turn included."""

AT_ONCE: Final = 8
"""Files at once: clamd, unless told otherwise, looks at ten."""

LONGEST_ANSWER: Final = 4096
FOUND: Final = re.compile(rb"stream: ([\x21-\x7e]{1,200}) FOUND")

log = structlog.get_logger()


class ScannerError(StoreError):
    """The scanner did not say that a file is clean: it was not kept."""


class Scanner:
    """A clamd, at `tcp://host:port` or at the path of its Unix socket; it is sent the file itself."""

    def __init__(self, address: str, *, within: float = ANSWERS_WITHIN) -> None:
        self._address, self._within = address, within
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def check(self, file: Path) -> None:
        """Let a clean file through; raises Problem 422 for another, ScannerError when nothing was said of it."""
        try:
            async with asyncio.timeout(self._within), self._turns:
                said = await self._ask(file)
        except TimeoutError:
            raise ScannerError("scanner_timeout") from None
        except OSError:
            raise ScannerError("scanner_unreachable") from None
        if found := FOUND.fullmatch(said):
            log.warning("a file is malicious", code="infected", signature=found[1].decode())
            raise Problem(ProblemType.FILE_REFUSED, "Le fichier contient un programme malveillant.")
        if said != b"stream: OK":
            raise ScannerError("scanner_failed")

    async def _ask(self, file: Path) -> bytes:
        """Send a file to clamd, and give its answer."""
        reader, writer = await self._open()
        try:
            writer.write(b"zINSTREAM\0")
            for piece in _pieces(await asyncio.to_thread(file.read_bytes)):
                writer.write(len(piece).to_bytes(4, "big") + piece)
                await writer.drain()
            writer.write(bytes(4))
            await writer.drain()
            return (await reader.read(LONGEST_ANSWER)).strip(b"\0\r\n ")
        finally:
            writer.close()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if not self._address.startswith("tcp://"):
            return await asyncio.open_unix_connection(self._address)
        host, _, port = self._address.removeprefix("tcp://").rpartition(":")
        return await asyncio.open_connection(host.strip("[]"), int(port))


def scan_by(address: str | None) -> Scan:
    """Give what looks at files: the scanner that the settings name, if any."""
    return Scanner(address).check if address else unscanned


def _pieces(content: bytes) -> Iterator[bytes]:
    return (content[start : start + PIECE] for start in range(0, len(content), PIECE))
