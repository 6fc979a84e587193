"""Files that a form's data name: each is one of the files that came with the request."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from hub.problems import Problem, ProblemType
from hub.words import FieldError, Place, pointer

KEYWORD: Final = "x-attachment"
"""What a schema says of a field that holds the id of a file."""

NAMES_FILES: Final = f'"{KEYWORD}'
"""What tells by its text that a schema has such a field, whether its quotes are escaped or not."""

NOT_JOINED: Final = "ce fichier n'est pas joint à la demande (attachments)"


def check_files(schema: Mapping[str, Any], data: Any, attachments: Collection[str]) -> None:
    """Refuse data that name a file which did not come along; raises Problem 422 that names the field."""
    errors = [
        FieldError(pointer(("data", *place)), title, NOT_JOINED)
        for place, title, named in files_of(schema, data)
        if named not in attachments
    ]
    if errors:
        raise Problem(ProblemType.INVALID, "La demande comporte des champs à corriger.", errors=errors)


def files_of(
    schema: Mapping[str, Any], data: Any, place: Place = (), title: str = ""
) -> Iterator[tuple[Place, str, str]]:
    """Give each file that data name: where, the field's title, the id."""
    title = schema.get("title", title)
    match data:
        case str() if schema.get(KEYWORD):
            yield place, title, data
        case dict():
            for name, value in data.items():
                yield from files_of(schema.get("properties", {}).get(name, {}), value, (*place, name), title)
        case list():
            for index, value in enumerate(data):
                yield from files_of(schema.get("items", {}), value, (*place, index), title)
