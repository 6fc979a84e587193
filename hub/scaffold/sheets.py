"""Files that are written all or none, and never over another; most from a template beside this module."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hub.errors import ConfigurationError

TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # noqa: S701  # what is written is TOML, YAML, Markdown and Python
)


def quoted(said: Any) -> str:
    """Quote a text as TOML, YAML and Python all read it: in double quotes."""
    return json.dumps(" ".join(str(said).split()), ensure_ascii=False)


def one_line(said: Any) -> str:
    """Write a text on one line of Markdown's tables."""
    return " ".join(str(said).split()).replace("|", "\\|")


TEMPLATES.filters |= {"quoted": quoted, "one_line": one_line}


def sheet(template: str, **known: Any) -> str:
    """Fill in a template, `route.yaml` for the file `route.yaml.j2`."""
    return TEMPLATES.get_template(f"{template}.j2").render(known)


def imports(first_party: frozenset[str], *lines: str) -> str:
    """Write imports in the order of a linter: those of others, a blank line, those of this project."""
    blocks = [
        sorted((line for line in lines if _is_of(line, first_party) is ours), key=_order) for ours in (False, True)
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _is_of(line: str, packages: frozenset[str]) -> bool:
    return any(f"{line.split()[1]}.".startswith(f"{package}.") for package in packages)


def _order(line: str) -> tuple[bool, str]:
    return line.startswith("from "), line.split()[1]


def write_all(root: Path, files: Mapping[str, str | bytes]) -> list[Path]:
    """Write files below a folder; raises ConfigurationError, and writes nothing, when one stands in the way."""
    placed = {root / name: said for name, said in files.items()}
    within = root.resolve()
    for file in placed:
        if not file.parent.resolve().is_relative_to(within):
            raise ConfigurationError(file, "leads out of the folder given: nothing was written")
        if file.exists() or file.is_symlink():
            raise ConfigurationError(file, "stands in the way: nothing was written; remove it, or choose another name")
    for file, said in placed.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("xb") as new:
            new.write(said if isinstance(said, bytes) else said.encode())
    return list(placed)


def as_json(value: Any) -> str:
    """Write JSON to be read."""
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"
