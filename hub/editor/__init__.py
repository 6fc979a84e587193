"""JSON Schemas of the files that integrators write, for editors to complete and to underline: one file each, here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent

FILES: Final[Mapping[str, str]] = {
    "mapping": "mappings/*/*.yaml",
    "route": "routes/*/route.yaml",
    "query": "routes/*/query.yaml",
    "texts": "routes/*/texts.yaml",
    "stages": "routes/stages.yaml",
    "connector": "connectors/*/connector.toml",
    "errors": "connectors/*/errors.toml",
    "hub": "hub.yaml",
}
"""A schema's name → the files that it describes."""


def file_of(name: str) -> Path:
    """Say where the schema of a sort of file lies: editors are pointed there."""
    return FOLDER / f"{name}.schema.json"


def read_schema(name: str) -> dict[str, Any]:
    """Read the schema of a sort of file."""
    schema: dict[str, Any] = json.loads(file_of(name).read_text("utf-8"))
    return schema
