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


class Line:
    """One connection through the proxy."""

    def __init__(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        self.client, self.back = client, back
        self.said = 0
        self.sprung = False
        self._writers = [back]

    async def reach(self, port: int) -> None:
        """Connect to what stands behind the proxy."""
        self.answers, self.upstream = await asyncio.open_connection("127.0.0.1", port)
        self._writers.append(self.upstream)

    def reset(self) -> None:
        """Close both ends as a crash of the network does."""
        for writer in self._writers:
            raw = writer.get_extra_info("socket")
            with suppress(OSError, AttributeError):  # a line already closed has no socket
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            writer.transport.abort()


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
        self._trap: tuple[bytes, ...] = ()
        self._arrives = False
        self._passing = asyncio.Event()
        self._passing.set()
        self._lines: set[Line] = set()
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
            line.reset()

    def trap(self, *words: bytes, arrives: bool) -> None:
        """Cut, once, the connection that says these words in this order: before the last arrives, or is answered."""
        self._trap, self._arrives = words, arrives
        self.sprung.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = Line(reader, writer)
        self._lines.add(line)
        with suppress(OSError):
            if self.mode is not Mode.RESET:
                await self._passing.wait()
                await line.reach(self.upstream)
                pumps = [asyncio.ensure_future(pump) for pump in (self._say(line), self._answer(line))]
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        self._lines.discard(line)
        line.reset()

    async def _say(self, line: Line) -> None:
        with suppress(OSError):
            while chunk := await line.client.read(self._most):
                self.heard += chunk
                await self._delay(chunk)
                if self._springs(line, chunk) and not self._arrives:
                    return
                line.upstream.write(chunk)
                await line.upstream.drain()

    async def _answer(self, line: Line) -> None:
        with suppress(OSError):
            while chunk := await line.answers.read(self._most):
                await self._delay(chunk)
                if line.sprung:
                    return
                line.back.write(chunk)
                await line.back.drain()

    @property
    def _most(self) -> int:
        return DRIP if self.mode is Mode.SLOW else 65536

    async def _delay(self, chunk: bytes) -> None:
        if self.mode is Mode.SLOW:
            await asyncio.sleep(SLOWLY)
        self.held += len(chunk)
        try:
            await self._passing.wait()
        finally:
            self.held -= len(chunk)

    def _springs(self, line: Line, chunk: bytes) -> bool:
        """Listen for the words of the trap."""
        while self._trap[line.said :] and self._trap[line.said] in chunk:
            line.said += 1
        if not self._trap or line.said < len(self._trap):
            return False
        line.sprung, self._trap = True, ()
        self.sprung.set()
        return True
