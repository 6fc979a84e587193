"""A target to begin with: every setting of its connector, with its type and what it means."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel, HttpUrl, SecretStr
from pydantic.fields import FieldInfo

from hub.errors import ConfigurationError
from hub.packages import Package

MODULES: Final = ("", "client", "wire", "settings")
"""Where a connector's package may have its `Settings`."""

MEANING: Final = re.compile(r"^((?:`\w+`(?:, )?)+): (.+?)(?=^(?:`\w+`(?:, )?)+: |\Z)", re.MULTILINE | re.DOTALL)
"""How a docstring says what a setting means: `allow`: networks its address must be in."""

SAMPLES: Final = (
    (HttpUrl, "https://cible.ville.example/"),
    (bool, "false"),
    (int, "1"),
    (float, "1.0"),
    (Path, "/run/secrets/cible"),
)


def settings_of(package: Package) -> type[BaseModel]:
    """Find the model of a connector's settings; raises ConfigurationError where there is none."""
    for part in MODULES:
        try:
            found = getattr(package.load(part), "Settings", None)
        except ModuleNotFoundError:
            continue
        if isinstance(found, type) and issubclass(found, BaseModel):
            return found
    raise ConfigurationError(package.folder, "its package has no class Settings to list")


def target_block(name: str, package: Package) -> str:
    """Write a target as it stands under `targets` in the installation's settings."""
    model = settings_of(package)
    required = any(field.is_required() for field in model.model_fields.values())
    lines = [f"  {name}:", f"    connector: {package.name}", f"    settings:{'' if required else ' {}'}"]
    return "\n".join(["targets:", *lines, *_lines(model)]) + "\n"


def _lines(model: type[BaseModel]) -> Iterator[str]:
    """Write each setting: what is required to be filled in, what is not behind a `#`."""
    means = meanings(model)
    for name, field in model.model_fields.items():
        said = "; ".join(filter(None, (sort_of(field), field.description or means.get(name, ""))))
        if field.is_required():
            yield f"      {name}: {sample_of(field)}  # required: {said}"
        else:
            yield f"      # {name}: {default_of(field)}  # {said}"


def meanings(model: type[BaseModel]) -> dict[str, str]:
    """Read what settings mean in the docstrings of their model, and of those it is made from."""
    found: dict[str, str] = {}
    for one in reversed(model.__mro__):
        if one is BaseModel or not issubclass(one, BaseModel):
            continue
        text = re.sub(r"\n +", "\n", one.__doc__ or "")
        for names, said in MEANING.findall(text.split("\n\n", 1)[-1]):
            for name in re.findall(r"`(\w+)`", names):
                found[name] = " ".join(said.split()).rstrip(".;")
    return found


def sort_of(field: FieldInfo) -> str:
    """Say what a setting may be."""
    return _sort(field.annotation)


def _sort(annotation: Any) -> str:
    origin, within = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _sort(within[0])
    if origin in {Union, UnionType}:
        return " or ".join(dict.fromkeys(_sort(one) for one in within if one is not NoneType))
    if origin is Literal:
        return f"one of {', '.join(map(str, within))}"
    if origin is not None and within:
        parts = list(dict.fromkeys(_sort(one) for one in within if one is not Ellipsis))
        named = getattr(origin, "__name__", "")
        return f"{parts[0]} → {parts[-1]}" if "apping" in named or origin is dict else f"list of {parts[0]}"
    return _plain(annotation)


def _plain(annotation: Any) -> str:
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return f"one of {', '.join(str(one.value) for one in annotation)}"
    names = {
        HttpUrl: "URL", SecretStr: "secret", str: "text", bool: "true or false", int: "number", float: "number",
        Path: "file",
    }  # fmt: skip
    if annotation in names:
        return names[annotation]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "{" + ", ".join(annotation.model_fields) + "}"
    return str(getattr(annotation, "__name__", annotation))


def sample_of(field: FieldInfo) -> str:
    """Give a value to be replaced."""
    sort = field.annotation
    for known, value in SAMPLES:
        if isinstance(sort, type) and issubclass(sort, known):
            return value
    return "{}" if "→" in sort_of(field) else "[]" if sort_of(field).startswith("list") else "à remplacer"


def default_of(field: FieldInfo) -> str:
    """Write what stands when a setting is not said."""
    value = field.get_default(call_default_factory=True)
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case Enum():
            return str(value.value)
        case tuple() | list() | set() | frozenset():
            return f"[{', '.join(map(str, value))}]"
        case dict() | BaseModel():
            return "{}"
    return " ".join(str(value).split())
