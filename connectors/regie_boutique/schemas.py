"""The JSON Schemas of what each operation takes and gives, compiled once; faults are named by field, never by value."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

import orjson
from jsonschema_rs import Draft202012Validator, ValidationError, ValidationErrorKind

CONTRACT: Final = Path(__file__).parent / "contract"


@cache
def document(name: str) -> dict[str, Any]:
    """Read a file of the contract."""
    read: dict[str, Any] = orjson.loads((CONTRACT / f"{name}.json").read_bytes())
    return read


@cache
def schema_of(name: str) -> Draft202012Validator:
    """Compile a schema of the contract."""
    return Draft202012Validator(document(name), validate_formats=True)


def faulty(operation: str, fields: Any) -> tuple[str, ...]:
    """Name the fields that break the contract of an operation; none when it is kept."""
    return tuple(sorted({place_of(error) for error in schema_of(operation).iter_errors(fields)}))


def place_of(error: ValidationError) -> str:
    """Write where a schema found fault: `client.courriel`."""
    missing = [error.kind.property] if isinstance(error.kind, ValidationErrorKind.Required) else []
    return ".".join(map(str, [*error.instance_path, *missing])) or "message"


def answer_in(operation: str, said: Any) -> dict[str, Any] | None:
    """Keep of an answer what the operation declares; None when that is not all that it promises."""
    if not isinstance(said, dict):
        return None
    name = f"{operation}_reponse"
    kept = {field: said[field] for field in document(name)["properties"] if said.get(field) is not None}
    return kept if schema_of(name).is_valid(kept) else None
