"""What sealing costs a request: the CPU of everything that is sealed and opened from its 202 to its end.

`python -m hub.bench.sealing` prints it as JSON, in microseconds. Beside it stands what the same process spends to hash
a kilobyte, so that figures of two machines can be compared.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Callable
from typing import Final

import orjson

from hub.bench.request import sample
from hub.vault import BODY, Keys, Vault

ROUNDS: Final = 20_000
MESSAGE: Final = b"m" * 900
ANSWER: Final = b"a" * 60


def measure(rounds: int = ROUNDS) -> dict[str, float]:
    """Measure each step, and all that one request with one delivery needs; microseconds of CPU."""
    body = orjson.dumps(sample()).decode()
    vault = Vault(Keys([os.urandom(32)]))
    wrapped, sealer = vault.draw(1)
    sealed = sealer.seal(BODY, body)

    def accepted() -> None:
        """Draw a key, wrap it, seal the body."""
        vault.draw(1)[1].seal(BODY, body)

    def claimed() -> None:
        """Unwrap the key, open the body."""
        vault.sealer(1, wrapped).open(BODY, sealed)

    def recorded() -> None:
        """Seal what was sent and what was answered."""
        sealer.seal_bytes("attempt.sent:100000001001:1:send", MESSAGE)
        sealer.seal_bytes("attempt.answered:100000001001:1:send", ANSWER)

    steps = {step.__name__: _cost(step, rounds) for step in (accepted, claimed, recorded)}
    hashed = _cost(lambda: hashlib.sha256(b"h" * 1024).digest(), rounds)
    return {**steps, "a_request": round(sum(steps.values()), 1), "sha256_of_a_kilobyte": hashed}


def _cost(step: Callable[[], object], rounds: int) -> float:
    step()
    began = time.process_time()
    for _ in range(rounds):
        step()
    return round((time.process_time() - began) / rounds * 1e6, 1)


if __name__ == "__main__":
    sys.stdout.buffer.write(orjson.dumps(measure(), option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_INDENT_2))
