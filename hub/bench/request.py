"""The request of the benchmark, 1.5 KB of JSON, and as many unique copies of it as a load needs."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

SAMPLE: Final = Path(__file__).parent / "assets" / "routes" / "banc.essai" / "sample.json"
PATH: Final = "/v1/requests"
REFERENCE: Final = b"banc-%08x-%08d"
PLACE: Final = b"banc-########-########"
"""Stands where a reference goes, and is as long as one."""

FAMILY_NAMES: Final = ("Lefèvre", "Marchand", "Nguyen", "Da Silva", "Le Goff", "Benali", "Rossi", "Garcin")
GIVEN_NAMES: Final = ("Camille Rose", "Jules", "Inès", "Maël", "Zoé Anne", "Yanis", "Éloïse", "Hugo")
VARIATIONS: Final = 64

Write = Callable[[int], bytes]


def sample() -> dict[str, Any]:
    """Read the submission that every copy is made from."""
    return orjson.loads(SAMPLE.read_bytes())  # type: ignore[no-any-return]  # parsed JSON, an object


def writer(url: str, headers: Mapping[str, str], submission: Mapping[str, Any], seed: int) -> Write:
    """Prepare a function from an ordinal to the bytes of one HTTP/1.1 POST.

    The same seed and ordinal give the same bytes. Each ordinal has its own reference, both as
    `Idempotency-Key` and as `external_reference`; applicants' names vary.
    """
    chance = random.Random(seed)  # noqa: S311  # not a secret
    frames = [_frame(url, headers, vary(submission, chance)) for _ in range(VARIATIONS)]

    def write(ordinal: int) -> bytes:
        return (REFERENCE % (seed & 0xFFFFFFFF, ordinal)).join(frames[ordinal % VARIATIONS])

    return write


def vary(submission: Mapping[str, Any], chance: random.Random) -> dict[str, Any]:
    """Copy a submission under another applicant's name, with a place for its reference."""
    applicant = submission["applicant"]
    identity = {
        **applicant["identity"],
        "family_name": chance.choice(FAMILY_NAMES),
        "given_name": chance.choice(GIVEN_NAMES),
    }
    return {
        **submission,
        "external_reference": PLACE.decode(),
        "applicant": {**applicant, "identity": identity},
    }


def _frame(url: str, headers: Mapping[str, str], submission: Mapping[str, Any]) -> list[bytes]:
    """Write a request once and cut it where its reference goes."""
    body = orjson.dumps(submission)
    lines = {
        "Host": urlsplit(url).netloc,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Idempotency-Key": PLACE.decode(),
        **headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    start = f"POST {PATH} HTTP/1.1\r\n{head}\r\n"
    return (start.encode() + body).split(PLACE)
