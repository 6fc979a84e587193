"""Runs the real `hub` command with one thing wrong, as the environment says; nothing in the hub knows of this.

`HUB_DIES_AT` names a crash point of POINTS: the process kills itself there, once `HUB_DIES_AFTER` deliveries
have come so far, the first of them waiting for the others. `HUB_STOPS_AT` freezes it there instead, once.
`HUB_CLOCK_OFF` sets its clock wrong by so many seconds.
"""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from aiohttp.http_writer import StreamWriter

import connectors._transport.http
from connectors.rest.client import Rest
from hub import intake
from hub.engine import Engine
from hub.ledger import Ledger
from hub.mapping import CompiledMapping

POISON = b"poison"


class Point:
    """Where this process is to end, and how many have come there."""

    def __init__(self, after: int, number: int) -> None:
        self.left, self.signal = after, number

    def reached(self, count: int = 1) -> None:
        """Count those that have come, and die, or freeze, with the last of them."""
        was, self.left = self.left, self.left - count
        if was > 0 >= self.left:
            os.kill(os.getpid(), self.signal)

    async def wait(self) -> None:
        """Count one more; until the last has come, the others go no further."""
        self.reached()
        if self.signal == signal.SIGKILL:
            await asyncio.Event().wait()


Wrap = Callable[[Point], None]


def before(owner: Any, name: str) -> Wrap:
    """Die on the way into a coroutine function."""

    def wrap(point: Point) -> None:
        whole: Callable[..., Awaitable[Any]] = getattr(owner, name)

        async def dying(*args: Any, **named: Any) -> Any:
            await point.wait()
            return await whole(*args, **named)

        setattr(owner, name, dying)

    return wrap


def after(owner: Any, name: str) -> Wrap:
    """Die on the way out of a coroutine function."""

    def wrap(point: Point) -> None:
        whole: Callable[..., Awaitable[Any]] = getattr(owner, name)

        async def dying(*args: Any, **named: Any) -> Any:
            result = await whole(*args, **named)
            await point.wait()
            return result

        setattr(owner, name, dying)

    return wrap


def within_the_insertion(point: Point) -> None:
    """Die with the rows written and nothing committed."""
    whole = intake.accept

    def dying(book: Any, connection: Any, arrivals: Any) -> Any:
        result = whole(book, connection, arrivals)
        point.reached(len(arrivals))
        return result

    intake.accept = dying


def while_mapping(point: Point, only: bytes = b"") -> None:
    """Die with a message half made."""
    whole = CompiledMapping.write

    def dying(self: CompiledMapping, *args: Any, **named: Any) -> Any:
        result = whole(self, *args, **named)
        if only in result.lower():
            point.reached()
        return result

    CompiledMapping.write = dying  # type: ignore[method-assign]  # that is what a victim is for


def half_way_through_the_bytes(point: Point) -> None:
    """Die with the first half of the request in the target's hands."""

    def dying(self: StreamWriter, *chunks: Any) -> None:
        message = b"".join(bytes(part) for chunk in chunks for part in ([chunk] if _is_bytes(chunk) else chunk))
        os.write(self.transport.get_extra_info("socket").fileno(), message[: len(message) // 2])
        point.reached()

    StreamWriter._write = StreamWriter._writelines = dying  # type: ignore[method-assign]  # as above


def _is_bytes(chunk: Any) -> bool:
    return isinstance(chunk, bytes | bytearray | memoryview)


POINTS: dict[str, Wrap] = {
    "A0": before(Ledger, "accept"),
    "A1": within_the_insertion,
    "A2": after(Ledger, "accept"),
    "W1": while_mapping,
    "intent": before(Engine, "_send"),
    "W2": before(Rest, "deliver"),
    "W3": half_way_through_the_bytes,
    "W4": before(connectors._transport.http, "_read"),
    "W5": before(Ledger, "record"),
    "W6": after(Ledger, "record"),
    "R0": before(Rest, "look_up"),
    "R1": before(Ledger, "record"),
    "R2": after(Ledger, "record"),
    "poison": partial(while_mapping, only=POISON),
}
"""The crash points, and where in the code each of them lies."""


def set_clock_off(seconds: float) -> None:
    """Set the clock of this process wrong; what counts elapsed time is another clock, and right."""
    right, right_ns = time.time, time.time_ns
    time.time = lambda: right() + seconds
    time.time_ns = lambda: right_ns() + int(seconds * 1e9)


def main() -> None:
    """Go wrong as the environment says, then be the hub."""
    if off := os.environ.get("HUB_CLOCK_OFF"):
        set_clock_off(float(off))
    for name, number in (("HUB_DIES_AT", signal.SIGKILL), ("HUB_STOPS_AT", signal.SIGSTOP)):
        if point := os.environ.get(name):
            POINTS[point](Point(int(os.environ.get("HUB_DIES_AFTER", "1")), number))
    from hub.cli import main as hub

    hub()


if __name__ == "__main__":
    main()
