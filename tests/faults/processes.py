"""Real processes of the hub, whole or with a fault in them, that tests kill, freeze and start again."""

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import psutil

VICTIM = Path(__file__).with_name("victim.py")
SECONDS_TO_START = 60
SECONDS_TO_END = 60


class Process:
    """One process: `hub <arguments>`, or the victim when `faults` says what is wrong with it."""

    def __init__(self, arguments, log, *, env=None, **faults):
        self._arguments, self.log = arguments, log
        self._env = os.environ | (env or {}) | {f"HUB_{name.upper()}": str(value) for name, value in faults.items()}
        self._command = [str(VICTIM)] if faults else ["-m", "hub"]
        self._process = None
        self.announced = {}

    @property
    def url(self):
        """Where it answers."""
        return self.announced["url"]

    @property
    def pid(self):
        """Its number."""
        return self._process.pid

    async def launch(self):
        """Launch it, without waiting for a word of it: a victim may never come so far."""
        with self.log.open("ab") as printed:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *self._command,
                *self._arguments,
                "--json",
                "--tied",
                env=self._env,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=printed,
                start_new_session=True,
            )
        return self

    async def start(self):
        """Launch it, and wait until it announces itself."""
        await self.launch()
        line = await asyncio.wait_for(self._process.stdout.readline(), SECONDS_TO_START)
        if not line:
            raise ChildProcessError(self.log.read_text("utf-8", "replace")[-2000:])
        self.announced = json.loads(line)
        return self

    def send(self, number):
        """Send it a signal."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def ended(self, within=SECONDS_TO_END):
        """Wait for its end; gives the exit code, or minus the signal that ended it."""
        return await asyncio.wait_for(self._process.wait(), within)

    async def kill(self):
        """Kill it as a power cut does."""
        if self._process and self._process.returncode is None:
            self.send(signal.SIGKILL)
            await self._process.wait()

    async def frozen(self):
        """Wait until it is stopped: then nothing of it moves before SIGCONT."""
        process = psutil.Process(self.pid)
        async with asyncio.timeout(SECONDS_TO_END):
            while process.status() != psutil.STATUS_STOPPED:
                await asyncio.sleep(0.01)
