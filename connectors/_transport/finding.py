"""Asking a target for one of its own references: what can be one, and what a refused question means."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from hub.errors import RefusedError, UncertainError

INVALID: Final = "reference_invalid"
"""The code of a text that cannot be a reference of the target's: it is not asked, and stands in no address."""


def check_reference(reference: str, shape: re.Pattern[str]) -> None:
    """Refuse what cannot be one of the target's references."""
    if not shape.fullmatch(reference):
        raise RefusedError(INVALID)


@contextmanager
def asking() -> Iterator[None]:
    """Turn a refusal into a doubt: a question that is refused says nothing of the reference."""
    try:
        yield
    except RefusedError as error:
        raise UncertainError(error.code) from None
