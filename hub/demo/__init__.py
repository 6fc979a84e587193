"""`hub demo`: a September hour through a real hub; its targets fail, and people finish what machines must not."""

from __future__ import annotations

from typing import Final

INTERRUPTED: Final = 130
"""The exit code of what a signal ended before its proof."""


def run_demo(requests: int, seed: int, *, once: bool) -> int:
    """Show the hour, and give the exit code: 0 when nothing was lost, doubled or out of balance."""
    import asyncio  # noqa: PLC0415  # the command line's start-up time

    from hub.demo.hour import Plan, show_hour  # noqa: PLC0415  # the command line's start-up time
    from hub.processes import run  # noqa: PLC0415  # the command line's start-up time

    try:
        return run(show_hour(Plan(requests=requests, seed=seed, once=once)))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return INTERRUPTED
