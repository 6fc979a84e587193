"""`hub check` in a process of its own, beside one that carries requests: nobody waits at the door meanwhile."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

Finding = Mapping[str, Any]
"""One thing that is wrong, as `hub check --json` says it: file, line, message, what to do."""


async def examine(homes: Sequence[Path]) -> list[Finding]:
    """Run `hub check` over `homes` in a process of its own, and give what it finds; raises OSError, ValueError."""
    checking = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hub.proof.check", *map(str, homes)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        said, failed = await checking.communicate()
    finally:
        if checking.returncode is None:
            checking.kill()
            await checking.wait()
    if checking.returncode:
        last = failed.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise ChildProcessError("".join(last) or f"it ended with {checking.returncode}")
    found: list[Finding] = orjson.loads(said)
    return found


def finding(file: str, message: str, line: int | None = None) -> Finding:
    """Say one thing that is wrong."""
    return {"file": file, "line": line, "message": message}
