"""What a connector is made from: its operations, whatever the contract they were read from was written in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lxml import etree

from hub.contracts.xml_documents import beside, read_xml
from hub.errors import ConfigurationError
from hub.scaffold.examples import NoExampleError, Schema, bare, example_of

REFERENCES: Final = ("reference", "numero", "number", "identifiant", "identifier", "id", "ref")
"""How a target's own reference is called, the likeliest first."""

WIDE: Final = 120
"""Columns of a line of code."""

TEXTS: Final = ("string", "integer")

LINKS: Final = ("schemaLocation", "location")


class UnusableError(Exception):
    """An operation that is left out: why."""


@dataclass(frozen=True)
class Draft:
    """One operation: what it takes and answers, one exchange of it, and how `wire.py` writes its call (`call`).

    `refusals`: the code of each refusal that the contract declares → what it means. `document`: its GraphQL.
    """

    name: str
    title: str
    input: Schema
    output: Schema | None
    asked: Mapping[str, Any]
    answered: Any
    call: Written
    is_safe: bool = False
    status: int = 200
    refusals: Mapping[str, str] = field(default_factory=dict)
    document: str = ""

    @property
    def exchange(self) -> dict[str, Any]:
        """Give its exchange as the sandbox reads it."""
        return {
            "asked": self.asked,
            "answered": self.answered,
            "status": self.status,
            "refusals": list(self.refusals),
        }


@dataclass(frozen=True)
class Drafts:
    """Everything that was read of a contract.

    `sort`: how its target is spoken to. `originals`: the contract's own files, `main` first of them. `left_out`: what
    cannot be expressed, and why.
    """

    sort: str
    main: str
    originals: Mapping[str, bytes]
    operations: tuple[Draft, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    title: str = ""
    address: str = ""
    api_key: str = ""

    def __post_init__(self) -> None:
        """Refuse what leads to no connector."""
        if not self.operations:
            reasons = "; ".join(f"{name}: {why}" for name, why in self.left_out)
            raise ConfigurationError(self.main, f"no operation that a connector can be made of: {reasons or 'none'}")


def exchange_of(taken: Schema, answer: Schema | None) -> tuple[dict[str, Any], Any]:
    """Make an example of a message and of its answer; raises UnusableError."""
    try:
        asked, answered = example_of(taken), None if answer is None else example_of(answer)
    except NoExampleError as places:
        raise UnusableError(f"no example could be made of {places}") from None
    if not isinstance(asked, dict):
        raise UnusableError("its message is no object with members")
    return asked, answered


def unwrapped(answer: Schema | None, answered: Any) -> Any:
    """Give what a target really answers: an answer that is no object stands as `value` in its schema."""
    wraps = answer is not None and list(answer.get("properties", {})) == ["value"]
    return answered["value"] if wraps else answered


def reference_in(schema: Schema | None, above: str = "", root: Schema | None = None) -> str:
    """Guess where an answer bears the target's own reference, always; "" when it has none, or it is not sure."""
    if schema is None:
        return ""
    root = schema if root is None else root
    opened = root.get("$defs", {}).get(str(schema.get("$ref", "")).rpartition("/")[2], schema)
    always = {name: opened.get("properties", {}).get(name) for name in opened.get("required", ())}
    texts = [name for name, one in always.items() if isinstance(one, dict) and one.get("type") in TEXTS]
    for wanted in REFERENCES:
        for name in texts:
            if bare(name) == wanted or (len(wanted) > 3 and bare(name).startswith(wanted)):
                return f"{above}{name}"
    if above.count(".") < 2:
        for name, one in always.items():
            if isinstance(one, dict) and (found := reference_in(one, f"{above}{name}.", root)):
                return found
    return ""


@dataclass(frozen=True)
class Written:
    """A call of wire.py's table, as Python."""

    sort: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.sort}({', '.join(self.arguments)})"

    def entry(self, name: str) -> str:
        """Write it as an entry of the table, folded as code is formatted here."""
        whole = f'    "{name}": {self},'
        if len(whole) <= WIDE:
            return whole
        within = f"        {', '.join(self.arguments)}"
        if len(within) > WIDE:
            within = "\n".join(f"        {one}," for one in self.arguments)
        return f'    "{name}": {self.sort}(\n{within}\n    ),'


def call(sort: str, *positional: Any, **named: Any) -> Written:
    """Write a call of wire.py's table, what is empty left out."""
    said = [literal(one) for one in positional] + [f"{name}={literal(one)}" for name, one in named.items() if one]
    return Written(sort, tuple(said))


def literal(value: Any) -> str:
    """Write a value as Python code is formatted here: texts in double quotes, whatever a contract makes them say."""
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' if len(value) == 1 else ''})"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def collected(file: Path) -> dict[str, bytes]:
    """Read an XML contract and every file that it names, each under its name from there; raises ConfigurationError."""
    return dict(_files(file.resolve(), file.resolve().parent, set()))


def _files(file: Path, root: Path, read: set[Path]) -> Iterator[tuple[str, bytes]]:
    if file in read:
        return
    read.add(file)
    if not file.is_relative_to(root):
        raise ConfigurationError(file, f"a contract's files are in one folder: put it below {root}")
    yield str(file.relative_to(root)), file.read_bytes()
    for node in read_xml(file).iter("{*}*"):
        if etree.QName(node).localname in {"import", "include", "redefine"}:
            for link in LINKS:
                if location := node.get(link):
                    if "://" in location:
                        raise ConfigurationError(file, f"{location}: write the name of the file beside it instead")
                    yield from _files(beside(file, location).resolve(), root, read)
