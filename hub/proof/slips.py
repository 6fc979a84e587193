"""Slips of the hand: one small change to a mapping, and why it would matter in production."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from functools import partial
from itertools import pairwise
from typing import Any, Final

import yaml

from hub.functions import CLOSED_LIST
from hub.proof.mutants import Mutant
from hub.yamlfile import Plain

CALL: Final = re.compile(r"\$(" + "|".join(CLOSED_LIST) + r")\(")
PAIR: Final = re.compile(r'("[^"]*": *)"([^"]+)"(?=[,}\s])')


def mutants_of_mapping(text: str) -> Iterator[Mutant]:
    """Change a mapping once in every way: its elements, the functions it calls, and what its tables say."""
    said = yaml.load(text, Loader=Plain)  # noqa: S506  # a safe loader, with less in it
    for place, change, why, changed in _mapping_edits(said):
        yield Mutant(place, change, why, partial(_dumped, changed))


def _dumped(said: dict[str, Any]) -> str:
    return str(yaml.dump(said, Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False))


def _mapping_edits(said: dict[str, Any]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    leaves = list(_leaves(said.get("fields") or {}))
    for path, source in leaves:
        place = ".".join(path)
        yield place, "delete the element", "the target is not told", _at(said, path, lambda of, name: of.pop(name))
        renamed = _at(said, path, lambda of, name: of.update({f"{name}_": of.pop(name)}))
        yield place, "rename the element", "the target does not know it", renamed
        for change, why, other in _source_edits(source):
            yield place, change, why, _at(said, path, _writing(other))
    for (one, source), (next_one, other) in pairwise(leaves):
        if source != other:
            swapped = _at(_at(said, one, _writing(other)), next_one, _writing(source))
            yield f"{'.'.join(one)}, {'.'.join(next_one)}", "swap them", "each is told as the other", swapped
    for change, why, other in _source_edits(said.get("expression") or ""):
        yield "expression", change, why, {**said, "expression": other}


def _writing(source: str) -> Callable[[dict[str, Any], str], None]:
    return lambda of, name: of.update({name: source})


def _source_edits(source: str) -> Iterator[tuple[str, str, str]]:
    """Change an expression: leave a call out, or write another value in a table."""
    for found in CALL.finditer(source):
        argument, end = _first_argument(source, found.end())
        without = f"{source[: found.start()]}({argument}){source[end:]}"
        yield f"leave ${found[1]} out", "the value goes as the citizen typed it", without
    for found in PAIR.finditer(source):
        other = f'{source[: found.start()]}{found[1]}"{found[2]}X"{source[found.end() :]}'
        yield f"write {found[2] + 'X'!r} for {found[2]!r}", "the target knows no such value", other


def _first_argument(source: str, start: int) -> tuple[str, int]:
    """Give the first argument of a call, and where the call ends."""
    depth, quote, first = 0, "", 0
    for place in range(start, len(source)):
        letter = source[place]
        if quote or letter in "\"'":
            quote = "" if letter == quote else quote or letter
        elif letter in "([{":
            depth += 1
        elif letter in ")]}" and depth:
            depth -= 1
        elif letter == ")":
            return source[start : first or place], place + 1
        elif letter == "," and not depth:
            first = first or place
    return source[start:], len(source)


def _leaves(fields: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*above, name))
        else:
            yield (*above, name), str(value)


def _at(said: dict[str, Any], path: tuple[str, ...], edit: Callable[[dict[str, Any], str], Any]) -> dict[str, Any]:
    whole = {**said, "fields": deepcopy(said["fields"])}
    of = whole["fields"]
    for part in path[:-1]:
        of = of[part]
    edit(of, path[-1])
    return whole
