"""How many requests of each kind each year brought, and which of them a replay takes, in which order."""

from __future__ import annotations

import csv
import random
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

from hub.errors import ConfigurationError

Volumes = Mapping[str, Mapping[int, int]]
"""Kind → year → requests."""

EXPECTED: Final = "a table with a column `kind`, and either `year` and `requests` or a column for each year"


@dataclass(frozen=True, slots=True)
class Place:
    """One request's place in the replay: the how manieth of all, of which kind and year, and how manieth of it."""

    index: int
    kind: str
    year: int
    ordinal: int


def read_volumes(file: Path) -> Volumes:
    """Read a CSV file of volumes, a line a year or a column a year; raises ConfigurationError."""
    with file.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    volumes: dict[str, dict[int, int]] = {}
    try:
        for row in rows:
            years = volumes.setdefault(row["kind"], {})
            for year, said in _years_of(row):
                years[int(year)] = years.get(int(year), 0) + int(said or 0)
    except (KeyError, TypeError, ValueError):
        raise ConfigurationError(file, EXPECTED) from None
    if not any(map(any, (years.values() for years in volumes.values()))):
        raise ConfigurationError(file, EXPECTED)
    return volumes


def _years_of(row: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    if "year" in row:
        return [(row["year"], row["requests"])]
    return [(name, said) for name, said in row.items() if name and name.isdigit()]


def read_years(said: str) -> range:
    """Read `2013-2022`, or one year; raises ValueError."""
    first, _, last = said.partition("-")
    return range(int(first), int(last or first) + 1)


def read_share(said: str) -> Fraction:
    """Read `1%`, `0.01` or `1/100`; raises ValueError when it is none, or not between 0 and 1."""
    share = Fraction(said.removesuffix("%").strip()) / (100 if said.endswith("%") else 1)
    if not 0 < share <= 1:
        raise ValueError(said)
    return share


def sampled(volumes: Volumes, years: Iterable[int], share: Fraction) -> dict[int, Counter[str]]:
    """Give year → kind → how many: each kind in its proportion over the years, one at least of those there were."""
    wanted = list(years)
    chosen: dict[int, Counter[str]] = {year: Counter() for year in wanted}
    for kind, by_year in volumes.items():
        whole = sum(by_year.get(year, 0) for year in wanted)
        least = 1 if whole else 0
        part = max(share, Fraction(least, whole or 1))
        seen = taken = 0
        for year in wanted:
            seen += by_year.get(year, 0)
            chosen[year][kind] += int(seen * part) - taken
            taken = int(seen * part)
    return chosen


def in_order(chosen: Mapping[int, Mapping[str, int]], seed: int) -> Iterator[Place]:
    """Give every request's place: the years in turn, the kinds of each mixed; the same seed gives the same."""
    ordinals: Counter[str] = Counter()
    index = 0
    for year, counts in chosen.items():
        kinds = sorted(counts)
        mixed = array("H", (number for number, kind in enumerate(kinds) for _ in range(counts[kind])))
        random.Random(f"{seed}-{year}").shuffle(mixed)  # noqa: S311  # a story, not a secret
        for number in mixed:
            kind = kinds[number]
            yield Place(index, kind, year, ordinals[kind])
            ordinals[kind] += 1
            index += 1
