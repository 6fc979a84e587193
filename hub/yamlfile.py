"""YAML files read into closed models: an error names the file, the line, and what was expected."""

from __future__ import annotations

from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from hub.errors import ConfigurationError


class Plain(yaml.CSafeLoader):
    """Safe YAML in which a date stays the text that was written, as it is in JSON."""


Plain.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}

Model = TypeVar("Model", bound=BaseModel)

UNREADABLE: Final = (yaml.YAMLError, ValueError, AttributeError, RecursionError)
"""What PyYAML raises, without a place, for characters, numbers or dates that are none, or for a thousand levels."""


@lru_cache(maxsize=1024)
def _parsed(text: str) -> Any:
    """Parse a text once: of a catalogue that is read again, nearly all files are as they were."""
    return yaml.load(text, Loader=Plain)  # noqa: S506  # a safe loader, with less in it


def read_yaml(file: Path | str, text: str, model: type[Model]) -> Model:
    """Read YAML text into `model`; raises ConfigurationError with the line of the first thing that is wrong."""
    try:
        content = deepcopy(_parsed(text))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ConfigurationError(file, error.problem or "not YAML", line) from None
    except UNREADABLE as error:
        raise ConfigurationError(file, f"not YAML ({type(error).__name__})") from None
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(file, f"{place}: {first['msg']}", line_of(text, first["loc"])) from None


def line_of(text: str, path: tuple[Any, ...]) -> int | None:
    """Find the line on which the value at `path` begins, or the nearest one above it that exists.

    Parts of the path that are no part of the file, such as the tag of a union, are passed over.
    """
    node = yaml.compose(text, Loader=yaml.CSafeLoader)
    line = None
    for part in path:
        child = _child(node, part)
        if child is not None:
            line = child.start_mark.line + 1
        if child is not None and not isinstance(child, yaml.ScalarNode):
            node = child
    return line


def _child(node: yaml.Node | None, part: Any) -> yaml.Node | None:
    match node:
        case yaml.MappingNode(value=pairs):
            return next((value for key, value in pairs if key.value == str(part)), None)
        case yaml.SequenceNode(value=items) if isinstance(part, int) and part < len(items):
            return items[part]  # type: ignore[no-any-return]  # PyYAML leaves the list untyped
    return None
