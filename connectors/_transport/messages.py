"""What is said of a message that a mapping wrote wrongly: where, and never what."""

from __future__ import annotations

from pydantic import ValidationError


def places(error: ValidationError) -> str:
    """Name the fields a validation found at fault, never what they hold."""
    found = error.errors(include_input=False, include_context=False, include_url=False)
    return ", ".join(sorted({".".join(map(str, one["loc"])) or "message" for one in found}))
