"""The JSON Schemas of what each operation takes, compiled once; it says which fields break them, never their values."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

import orjson
from jsonschema_rs import Draft202012Validator, ValidationError, ValidationErrorKind

CONTRACT: Final = Path(__file__).parent / "contract"


@cache
def schema_of(operation: str) -> Draft202012Validator:
    """Compile the contract of an operation."""
    text = (CONTRACT / f"{operation}.json").read_bytes()
    return Draft202012Validator(orjson.loads(text), validate_formats=True)


def faulty(operation: str, fields: Any) -> tuple[str, ...]:
    """Name the fields that break the contract of an operation; none when it is kept."""
    return tuple(sorted({place_of(error) for error in schema_of(operation).iter_errors(fields)}))


def place_of(error: ValidationError) -> str:
    """Write where a schema found fault: `remplace.cree_a`."""
    missing = [error.kind.property] if isinstance(error.kind, ValidationErrorKind.Required) else []
    return ".".join(map(str, [*error.instance_path, *missing])) or "message"
