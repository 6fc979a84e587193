"""How fast stored requests are mapped again: `python -m hub.bench.remap --requests 100000 --database sqlite`.

Prints one line of JSON: database, requests, seconds, per_minute, cpu_seconds, jobs, groups.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from hub.bench.growth import MAKING
from hub.bench.request import sample, vary
from hub.bench.storing import store
from hub.bench.systems import ASSETS
from hub.catalogue import Catalogue
from hub.clock import system_clock
from hub.intake import FIRST_NUMBER
from hub.trials.regression import Job, compare
from hub.trials.stored import Choice

MAPPING: Final = "rest/banc_essai"
SURNAMES: Final = ("Lefèvre", "Marchand", "Nguyễn", "Da Silva", "Le Goff", "Benali", "Rossi", "D'Œuvre")
CHANGES: Final = (
    ("nom: $upper($ascii(data.child.last_name))", "nom: $upper(data.child.last_name)"),
    ("vaccination: $date_fr(data.health.vaccinated_on)", "vaccination: data.health.vaccinated_on"),
)
"""What the new mapping writes otherwise: accents are kept, and one date is as it came."""


def fill(url: str, requests: int) -> None:
    """Write so many requests down, as the door does, each with other names."""
    catalogue = Catalogue.read(ASSETS)
    [kind] = catalogue.kinds
    store(url, catalogue, kind, ((document, system_clock()) for document in _documents(requests)))


def _documents(requests: int) -> Iterator[dict[str, Any]]:
    chance = random.Random(2026)  # noqa: S311  # not a secret
    said = sample()
    for number in range(FIRST_NUMBER, FIRST_NUMBER + requests):
        yield {"number": number, **_varied(vary(said, chance), chance), "received_at": "2026-09-07T09:12:45+02:00"}


def _varied(submission: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    child = submission["data"]["child"] | {"last_name": chance.choice(SURNAMES)}
    return submission | {"data": submission["data"] | {"child": child}}


def changed() -> str:
    """Give the text of a mapping that writes two of its thirty fields otherwise."""
    text = (ASSETS / f"mappings/{MAPPING}.yaml").read_text("utf-8")
    for before, after in CHANGES:
        text = text.replace(before, after)
    return text


def measure(url: str, jobs: int) -> dict[str, Any]:
    """Map everything in a ledger again, starting the processes included."""
    began, used = time.monotonic(), _cpu()
    tally = compare(Job(url, "new.yaml", changed(), Choice(MAPPING)), jobs)
    seconds = time.monotonic() - began
    return {
        "requests": tally.requests,
        "seconds": round(seconds, 2),
        "per_minute": round(tally.requests / seconds * 60),
        "cpu_seconds": round(_cpu() - used, 2),
        "jobs": jobs,
        "groups": {f"{path}: {cause}": group.messages for (path, cause), group in sorted(tally.groups.items())},
    }


def _cpu() -> float:
    """Count the seconds of CPU that this process and those it has started and ended have had."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(had.ru_utime + had.ru_stime for had in map(resource.getrusage, who))


def main(words: Sequence[str]) -> None:
    """Fill a passing ledger, measure, and say so."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--requests", type=int, default=100_000)
    options.add_argument("--database", choices=list(MAKING), default="sqlite")
    options.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    options.add_argument("--folder", type=Path, default=Path("var"))
    wanted = options.parse_args(words)
    wanted.folder.mkdir(parents=True, exist_ok=True)
    with MAKING[wanted.database](wanted.folder) as make, make("remap") as url:
        fill(url, wanted.requests)
        said = {"database": wanted.database, **measure(url, wanted.jobs)}
    sys.stdout.write(orjson.dumps(said).decode() + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
