"""JSON Schemas of this installation's files."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import orjson

from hub.errors import ConfigurationError


def read_schema(file: str, text: str) -> dict[str, Any]:
    """Read a JSON Schema; raises ConfigurationError that names the file, and the line or the place in the schema."""
    try:
        schema = orjson.loads(text)
        jsonschema_rs.meta.validate(schema)
    except orjson.JSONDecodeError as error:
        raise ConfigurationError(file, error.msg, error.lineno) from None
    except jsonschema_rs.ValidationError as error:
        raise ConfigurationError(file, f"{'/'.join(map(str, error.instance_path))}: {error.message}") from None
    return schema  # type: ignore[no-any-return]  # the meta-schema has just said that it is an object
