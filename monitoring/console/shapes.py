"""The shapes of a city's districts, from the GeoJSON file that its settings name, and the classes of their shades."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from pathlib import Path
from typing import Any, Final

import orjson
import structlog

LARGEST_FILE: Final = 5_000_000
"""Bytes; a hundred districts drawn to the metre are a tenth of it."""

NAMES: Final = ("name", "nom")
CLASSES: Final = 4
"""How many shades there are for districts that have something open."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Shape:
    """One district."""

    name: str
    geometry: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Shade:
    """So many open requests, from the least to the most."""

    least: int
    most: int


def shapes_of(file: Path | None) -> Sequence[Shape]:
    """Read the districts; none where there is no file, or none that can be read."""
    if file is None:
        return ()
    try:
        seen = file.stat()
        return _read(file, seen.st_mtime_ns, seen.st_size)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("the districts' file cannot be read", file=str(file), error=type(error).__name__)
        return ()


@lru_cache(maxsize=4)
def _read(file: Path, _changed: int, size: int) -> Sequence[Shape]:
    if size > LARGEST_FILE:
        raise ValueError("too large")
    features = orjson.loads(file.read_bytes())["features"]
    return tuple(
        Shape(name, feature["geometry"])
        for feature in features
        if (name := next((feature["properties"][said] for said in NAMES if feature["properties"].get(said)), None))
        and feature["geometry"]["type"] in {"Polygon", "MultiPolygon"}
    )


def shown_classes(totals: Mapping[str, int]) -> Sequence[Shade]:
    """Divide what districts have open into classes of one width, after that of those with nothing."""
    most = max((requests for district, requests in totals.items() if district), default=0)
    width = max(1, ceil(most / CLASSES))
    return (Shade(0, 0), *(Shade(at * width + 1, (at + 1) * width) for at in range(CLASSES)))
