"""Odd bytes for every parser, for a while: `python -m tests.fuzz.campaign --seconds 300 --crashes build/fuzz`.

Each target has a process of its own, which begins with the seeds of tests/fuzz/corpus. What makes one crash is kept
under `--crashes`; once mended, it becomes a seed under a name that says what it was.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
LARGEST = 4096
"""Bytes of an input: what is odd is small."""

SLOWEST = 30
"""Seconds one input may take: an expression is stopped after two, which a busy machine makes many."""

MEMORY_MB = 1500
WATCHED = ["hub", "connectors", "monitoring.console.door"]
"""Whose lines the fuzzer sees being reached."""


def share(seconds: int, targets: int) -> int:
    """Give each target its part of the time."""
    return max(1, seconds // targets)


def attack(name: str, seconds: int, crashes: Path) -> bool:
    """Fuzz one target in a process of its own, which has all modules already; says whether it held."""
    (crashes / name).mkdir(parents=True, exist_ok=True)
    log = crashes / f"{name}.log"
    began = time.monotonic()
    child = os.fork()
    if not child:
        fuzz(name, seconds, crashes, log)
    _, status = os.waitpid(child, 0)
    said = "held" if not status else f"BROKEN, see {log}"
    sys.stdout.write(f"{name}: {said} ({time.monotonic() - began:.0f} s, {inputs_in(log)} inputs)\n")
    sys.stdout.flush()
    return not status


def keeping(read: Callable[[bytes], None], file: Path) -> Callable[[bytes], None]:
    """Write down what breaks a target: the fuzzer itself does so only for what is too slow or too large."""

    def watched(content: bytes) -> None:
        try:
            read(content)
        except BaseException:
            file.write_bytes(content)
            raise

    return watched


def fuzz(name: str, seconds: int, crashes: Path, log: Path) -> None:
    """Fuzz until the time is over or something breaks; never comes back."""
    import atheris

    from tests.fuzz.targets import TARGETS

    found = crashes / name
    with log.open("wb") as printed:
        os.dup2(printed.fileno(), 1)
        os.dup2(printed.fileno(), 2)
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={LARGEST}",
        f"-timeout={SLOWEST}",
        f"-rss_limit_mb={MEMORY_MB}",
        f"-artifact_prefix={found}/",
        "-print_final_stats=1",
    ]
    atheris.Setup([name, *options, str(found), str(CORPUS / name)], keeping(TARGETS[name], crashes / f"{name}.crash"))
    atheris.Fuzz()
    os._exit(0)


def inputs_in(log: Path) -> str:
    """Find in a log how many inputs were tried."""
    lines = log.read_text("utf-8", "replace").splitlines()
    return next((line.split()[-1] for line in lines if "number_of_executed_units" in line), "some")


def main() -> int:
    """Fuzz every target, or those that are named."""
    import atheris

    with redirect_stderr(StringIO()), atheris.instrument_imports(include=WATCHED):
        from tests.fuzz.targets import TARGETS
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.campaign")
    parser.add_argument("targets", nargs="*", default=list(TARGETS))
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--crashes", type=Path, default=Path("build/fuzz"))
    said = parser.parse_args()
    each = share(said.seconds, len(said.targets))
    held = [attack(name, each, said.crashes.absolute()) for name in said.targets]
    return int(not all(held))


if __name__ == "__main__":
    sys.exit(main())
