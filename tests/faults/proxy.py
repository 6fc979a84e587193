"""A TCP proxy that breaks the line it stands on: held back, cut, refused or slowed, at any moment and back again."""

import asyncio
import socket
import struct
from contextlib import suppress
from enum import StrEnum

AT_ONCE = struct.pack("ii", 1, 0)
"""Linger for no time: closing sends a reset."""

SLOWLY = 0.02
"""Seconds that a slow line takes for every chunk of `DRIP` bytes."""

DRIP = 512


class Mode(StrEnum):
    """How the line is."""

    OK = "ok"
    BLACKHOLE = "blackhole"
    RESET = "reset"
    REFUSE = "refuse"
    SLOW = "slow"


class Proxy:
    """Stands before a loopback port. A black hole loses nothing: what it held goes on once the line is well again.

    `heard` is what clients said, `held` how many bytes a black hole keeps back just now.
    """

    def __init__(self, upstream: int) -> None:
        self.upstream, self.port = upstream, 0
        self.mode = Mode.OK
        self.heard = bytearray()
        self.held = 0
        self.sprung = asyncio.Event()
        self._trap, self._arrives = b"", False
        self._passing = asyncio.Event()
        self._passing.set()
        self._lines: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Let go of everything."""
        self.cut()
        if self._server:
            self._server.close()
            self._server = None

    async def turn(self, mode: Mode) -> None:
        """Change how the line is, for the connections there are and for those to come."""
        self.mode = mode
        if mode is Mode.BLACKHOLE:
            self._passing.clear()
        else:
            self._passing.set()
        if mode in {Mode.RESET, Mode.REFUSE}:
            self.cut()
        if mode is Mode.REFUSE and self._server:
            self._server.close()
            self._server = None
        elif mode is not Mode.REFUSE and not self._server:
            await self.start()

    def cut(self) -> None:
        """Reset every connection."""
        for line in list(self._lines):
            _reset(line)

    def trap(self, words: bytes, *, arrives: bool) -> None:
        """Cut the line once, at the first chunk that holds `words`: before it arrives, or before its answer does."""
        self._trap, self._arrives = words, arrives
        self.sprung.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._lines.add(writer)
        try:
            if self.mode is Mode.RESET:
                return
            await self._passing.wait()
            there, back = await asyncio.open_connection("127.0.0.1", self.upstream)
            self._lines.add(back)
            deaf = asyncio.Event()
            pumps = [self._pump(reader, back, deaf, said=True), self._pump(there, writer, deaf, said=False)]
            await asyncio.wait([asyncio.ensure_future(pump) for pump in pumps], return_when=asyncio.FIRST_COMPLETED)
            _reset(back)
            self._lines.discard(back)
        except OSError:
            pass
        finally:
            _reset(writer)
            self._lines.discard(writer)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, deaf: asyncio.Event, *, said: bool
    ) -> None:
        with suppress(OSError):
            while chunk := await reader.read(DRIP if self.mode is Mode.SLOW else 65536):
                if said:
                    self.heard += chunk
                await self._delay(chunk)
                if deaf.is_set() and not said:
                    return
                if said and self._springs(chunk):
                    if not self._arrives:
                        return
                    deaf.set()
                writer.write(chunk)
                await writer.drain()

    async def _delay(self, chunk: bytes) -> None:
        if self.mode is Mode.SLOW:
            await asyncio.sleep(SLOWLY)
        self.held += len(chunk)
        try:
            await self._passing.wait()
        finally:
            self.held -= len(chunk)

    def _springs(self, chunk: bytes) -> bool:
        if not self._trap or self._trap not in chunk:
            return False
        self._trap = b""
        self.sprung.set()
        return True


def _reset(line: asyncio.StreamWriter) -> None:
    """Close a connection as a crash of the network does."""
    raw = line.get_extra_info("socket")
    with suppress(OSError):
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    line.transport.abort()
