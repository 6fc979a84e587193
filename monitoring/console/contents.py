"""What a citizen filled in, line by line, under the titles of the form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hub.model import Submission
from hub.words import Form, Place
from monitoring.console.texts import marked

ENVELOPE = Form(Submission.model_json_schema())
"""What every kind shares: who asks, and how to reach them."""


@dataclass(frozen=True, slots=True)
class Line:
    """One field: its title, its value as people read it, and how deep it stands; a group has no value."""

    title: str
    value: str | None
    depth: int = 0


def filled_in(schema: Mapping[str, Any], data: Any) -> list[Line]:
    """List what was filled in, in the order of the document; what is empty is left out."""
    return list(_lines(Form(schema), data, ()))


def asked_by(applicant: Any) -> list[Line]:
    """List who asks, and how to reach them."""
    return list(_lines(ENVELOPE, applicant, ("applicant",)))


def _lines(form: Form, value: Any, path: Place, depth: int = 0) -> Iterator[Line]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _field(form, inner, (*path, name), depth)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _field(form, inner, (*path, index), depth)


def _field(form: Form, value: Any, path: Place, depth: int) -> Iterator[Line]:
    title = form.title(path)
    if isinstance(value, list) and not any(isinstance(one, Mapping | list) for one in value):
        value = ", ".join(_shown(one) for one in value)
    if isinstance(value, Mapping | list):
        within = list(_lines(form, value, path, depth + 1))
        if within:
            yield Line(title, None, depth)
            yield from within
    elif value not in (None, ""):
        yield Line(title, _shown(value), depth)


YES = marked("yes")
NO = marked("no")


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return YES if value else NO
    return str(value)
