"""An installation's settings as they stand: each one's value, where it comes from, and no secret of any."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, SecretStr, ValidationError

from hub.errors import ConfigurationError
from hub.packages import find_packages
from hub.scaffold.target import settings_of
from hub.settings import Settings, from_environment
from hub.yamlfile import read_yaml

HIDDEN: Final = "***"

SECRET_NAME: Final = re.compile(
    r"(passw|passphrase|secret|token|bearer|credential|authorization|pepper|(access|api)[_-]?key|mot_?de_?passe|jeton"
    r"|(^|[_-])(keys?|cles?|headers)$)"
    r"(?!.*_files?$)",
    re.IGNORECASE,
)
"""Names of settings and variables whose text may be a secret, whatever their type; a file's path is none."""

COMMAND: Final = "encryption.command"
"""A program whose arguments may be what opens a key service."""

PAIR: Final = re.compile(r"://([^:@/?#]*):.*@", re.DOTALL)
ALONE: Final = re.compile(r"://[^:@/?#]*@")
QUERY: Final = re.compile(r"([?&;][^=&;#]*=)[^&;#\s]*")

OURS: Final = ("HUB_", "AWS_", "OTEL_")
"""How the names of the variables that the hub reads begin."""


class Source(StrEnum):
    """Where a value comes from."""

    FILE = "file"
    ENVIRONMENT = "environment"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Effective:
    """One setting: its name with dots, its value as it may be shown, and where it comes from."""

    setting: str
    value: Any
    source: Source


def effective(file: Path | None) -> Iterator[Effective]:
    """Give every setting of an installation, then the variables of its environment; raises ConfigurationError."""
    said = read_yaml(file, file.read_text("utf-8"), Settings) if file else Settings()
    folder = file.parent if file else Path.cwd()
    stands = said.beside(folder, from_environment)
    without = said.beside(folder, lambda _name: None)
    for name in Settings.model_fields:
        value = getattr(stands, name)
        if value != getattr(without, name):
            yield from _rows(name, value, Source.ENVIRONMENT)
        elif name == "targets":
            yield from _targets(stands)
        else:
            yield from _told(name, value, said, said.model_fields_set)
    for name, text in sorted(os.environ.items()):
        if name.startswith(OURS):
            yield Effective(name, shown(name, text), Source.ENVIRONMENT)


def shown(name: str, value: Any) -> Any:
    """Give a value as it may be shown: a secret is hidden, and so is what an address holds of one."""
    match value:
        case None | "" | bool() | int() | float():
            return value
        case Mapping() | BaseModel():
            return {key: shown(f"{name}_{key}", part) for key, part in dict(value).items()}
        case tuple() | list() | set() | frozenset():
            return [shown(name, part) for part in value]
    is_secret = isinstance(value, SecretStr | bytes) or (isinstance(value, str) and SECRET_NAME.search(name))
    return HIDDEN if is_secret else without_secrets(str(value))


def without_secrets(text: str) -> str:
    """Hide of an address its password, or what stands for one, and the values of its query."""
    if "://" not in text:
        return text
    return QUERY.sub(rf"\1{HIDDEN}", ALONE.sub(f"://{HIDDEN}@", PAIR.sub(rf"://\1:{HIDDEN}@", text)))


def _told(name: str, value: Any, owner: BaseModel, given: set[str]) -> Iterator[Effective]:
    """Give a setting, member by member, each from the file or by default as the file's own model says."""
    leaf = name.rpartition(".")[2]
    before = getattr(owner, leaf, None)
    if leaf not in given:
        yield from _rows(name, value, Source.DEFAULT)
    elif isinstance(value, BaseModel) and isinstance(before, BaseModel):
        for field in type(value).model_fields:
            yield from _told(f"{name}.{field}", getattr(value, field), before, before.model_fields_set)
    else:
        yield from _rows(name, value, Source.FILE)


def _rows(name: str, value: Any, source: Source) -> Iterator[Effective]:
    """Give a value, or what it is made of."""
    if isinstance(value, BaseModel):
        parts: Mapping[Any, Any] = {field: getattr(value, field) for field in type(value).model_fields}
    elif isinstance(value, Mapping) and value:
        parts = value
    else:
        yield Effective(name, _shown(name, value), source)
        return
    for part, inside in parts.items():
        yield from _rows(f"{name}.{part}", inside, source)


def _shown(name: str, value: Any) -> Any:
    """Give a setting's value as it may be shown: of what a target is reached by, any part of the name may hide it."""
    *above, leaf = name.split(".")
    if name == COMMAND:
        return [shown(leaf, word) if index == 0 else HIDDEN for index, word in enumerate(value)]
    inside = above[3:] if above[:1] == ["targets"] and above[2:3] == ["settings"] else []
    return shown(next(filter(SECRET_NAME.search, inside), leaf), value)


def _targets(settings: Settings) -> Iterator[Effective]:
    """Give each target's settings: its connector's own model says which are secrets."""
    packages = find_packages(*settings.places)
    for name, target in settings.targets.items():
        for field in type(target).model_fields:
            if field != "settings":
                source = Source.FILE if field in target.model_fields_set else Source.DEFAULT
                yield from _rows(f"targets.{name}.{field}", getattr(target, field), source)
        yield from _of_target(f"targets.{name}.settings", target.settings, packages.get(target.connector))


def _of_target(name: str, given: Mapping[str, Any], package: Any) -> Iterator[Effective]:
    """Give what one target is reached by; without its connector's model, nothing of it is shown."""
    try:
        model = settings_of(package).model_validate(dict(given)) if package else None
    except (ConfigurationError, ValidationError):
        model = None
    if model is None:
        yield from (Effective(f"{name}.{part}", HIDDEN, Source.FILE) for part in given)
        return
    for field in type(model).model_fields:
        yield from _told(f"{name}.{field}", getattr(model, field), model, model.model_fields_set)
