"""The language of templates: French text with fields in brackets, and the blocks it becomes. No I/O.

    Titre : Votre demande N° [numdemande]      the document's title, in the first line
    # …, ## …                                  headings
    - Libellé : [champ]                        a list
    | Nom | Téléphone |                        a table; its first row is its header
    | [personnes.nom] | [personnes.telephone] |    a row, or a line of a list, for each of a list
    [pour chaque enfants] … [fin]              blocks for each of a list, whose fields are then named alone
    [si champ] … [fin], [si pas champ] … [fin] blocks when a field has a value, or has none

What fills a field is a string that nothing reads again.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

from pydantic import BaseModel

from connectors.documents.champs import say

Names = Mapping[str, "Names | None"]
"""The fields that may be named, and for those that are lists of things, the fields of each thing."""

Words = tuple[str, ...]
"""A row's cells; a line's label and text, or its text alone."""

TITLE: Final = re.compile(r"Titre ?: ?(.+)")
ORDER: Final = re.compile(r"\[(pour chaque|si pas|si) ([a-z_]+)\]")
END: Final = "[fin]"
HEADING: Final = re.compile(r"(#{1,2}) (.+)")
FIELD: Final = re.compile(r"\[([^\[\]]*)\]")
LEFT_ALONE: Final = re.compile(r"(?<=«) | (?=[»:;!?])|(?<=N°) ")
"""The spaces at which French does not break a line."""


class TemplateError(ValueError):
    """A line of a template says what cannot be obeyed."""

    def __init__(self, line: int, expected: str) -> None:
        self.line, self.expected = line, expected
        super().__init__(f"{line}: {expected}")


@dataclass(frozen=True, slots=True)
class Line:
    """What is filled at once, for each of a list when it is `over` one."""

    words: Words
    over: str = ""

    def fill(self, scope: ChainMap[str, Any]) -> Iterator[list[str]]:
        """Give the words once, or as often as the list is long."""
        for values in [{}] if not self.over else [nested(self.over, one) for one in scope[self.over] or ()]:
            yield [fill(word, scope.new_child(values)) for word in self.words]


@dataclass(frozen=True, slots=True)
class Block:
    """A heading, a paragraph, a list or a table, as the layout knows it."""

    sort: str
    lines: tuple[Line, ...]
    level: int = 0

    def fill(self, scope: ChainMap[str, Any]) -> Iterator[dict[str, Any]]:
        """Write what the layout draws; what has nothing in it leaves nothing."""
        lines = [filled for line in self.lines for filled in line.fill(scope)]
        match self.sort:
            case "titre" if text := lines[0][0].strip():
                yield {"sorte": "titre", "niveau": self.level, "texte": text}
            case "tableau" if lines[1:]:
                yield {"sorte": "tableau", "entete": lines[0], "lignes": lines[1:]}
            case "liste" if lines:
                yield {"sorte": "liste", "lignes": lines}
            case "paragraphe" if text := " ".join(line[0] for line in lines).strip():
                yield {"sorte": "paragraphe", "texte": text}


@dataclass(frozen=True, slots=True)
class Order:
    """Blocks for each of a list, or on a condition."""

    verb: str
    field: str
    blocks: tuple[Block | Order, ...]

    def fill(self, scope: ChainMap[str, Any]) -> Iterator[dict[str, Any]]:
        """Write the blocks as often as the order says."""
        value = scope[self.field]
        match self.verb:
            case "pour chaque":
                scopes = [scope.new_child(one) for one in value or ()]
            case "si":
                scopes = [scope] if value else []
            case _:
                scopes = [] if value else [scope]
        for inner in scopes:
            yield from write_blocks(self.blocks, inner)


@dataclass(frozen=True, slots=True)
class Template:
    """A title and the blocks under it."""

    title: str
    blocks: tuple[Block | Order, ...]

    @classmethod
    def parse(cls, source: str, names: Names) -> Template:
        """Read a template whose fields are `names`; raises TemplateError for any other."""
        return Reader(source).read(ChainMap(dict(names)))

    def fill(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Write the sheet that the layout draws."""
        scope = ChainMap(dict(values))
        return {"titre": fill(self.title, scope), "blocs": tidy(write_blocks(self.blocks, scope))}


class Reader:
    """Reads a template, line after line."""

    def __init__(self, source: str) -> None:
        self._lines = [line.strip() for line in source.splitlines()]
        self._at = 0

    def read(self, names: ChainMap[str, Any]) -> Template:
        """Read the whole; raises TemplateError."""
        opening = TITLE.fullmatch(self._next() if self._lines else "")
        if opening is None:
            raise self._wrong("a template opens with « Titre : … »")
        title = self._word(opening[1], names)
        blocks = tuple(self._blocks(names))
        if self._at < len(self._lines):
            self._at += 1
            raise self._wrong(f"{END} ends nothing")
        return Template(title, blocks)

    def _blocks(self, names: ChainMap[str, Any]) -> Iterator[Block | Order]:
        while self._peek() not in {None, END}:
            line = self._next()
            if line:
                yield self._block(line, names)

    def _block(self, line: str, names: ChainMap[str, Any]) -> Block | Order:
        if order := ORDER.fullmatch(line):
            return self._order(order[1], order[2], names)
        if heading := HEADING.fullmatch(line):
            return Block("titre", (Line((self._word(heading[2], names),)),), len(heading[1]) + 1)
        if line.startswith("|"):
            return self._table(line, names)
        if line.startswith("- "):
            return Block("liste", tuple(self._run(line, "- ", names)))
        return Block("paragraphe", tuple(self._run(line, "", names)))

    def _order(self, verb: str, field: str, names: ChainMap[str, Any]) -> Order:
        opened = self._at
        if field not in names:
            raise self._wrong(f"no field is called [{field}]")
        inner = names.new_child(self._things(field, names)) if verb == "pour chaque" else names
        blocks = tuple(self._blocks(inner))
        if self._peek() is None:
            raise TemplateError(opened, f"no {END} for [{verb} {field}]")
        self._next()
        return Order(verb, field, blocks)

    def _table(self, line: str, names: ChainMap[str, Any]) -> Block:
        rows = tuple(self._run(line, "|", names))
        if rows[0].over or len({len(row.words) for row in rows}) > 1:
            raise self._wrong("a table has a header, and as many cells in each row")
        return Block("tableau", rows)

    def _run(self, line: str, mark: str, names: ChainMap[str, Any]) -> Iterator[Line]:
        """Read the lines that follow each other under one mark."""
        yield self._line(line, mark, names)
        while self._follows(mark):
            yield self._line(self._next(), mark, names)

    def _follows(self, mark: str) -> bool:
        line = self._peek()
        if not line or line == END or ORDER.fullmatch(line):
            return False
        return line.startswith(mark) if mark else not line.startswith(("# ", "## ", "- ", "|"))

    def _line(self, line: str, mark: str, names: ChainMap[str, Any]) -> Line:
        over = self._over(line, names)
        inner = names.new_child(nested(over, self._things(over, names))) if over else names
        return Line(tuple(self._word(word, inner) for word in cut(line, mark)), over)

    def _over(self, line: str, names: ChainMap[str, Any]) -> str:
        """Tell which list a line is repeated for."""
        lists = {field.partition(".")[0] for field in FIELD.findall(line) if "." in field}
        if len(lists) > 1:
            raise self._wrong("a line is repeated for one list only")
        over = lists.pop() if lists else ""
        if over and over not in names:
            raise self._wrong(f"no field is called [{over}]")
        return over

    def _things(self, field: str, names: ChainMap[str, Any]) -> dict[str, Any]:
        if names[field] is None:
            raise self._wrong(f"[{field}] is no list")
        return dict(names[field])

    def _word(self, word: str, names: ChainMap[str, Any]) -> str:
        for field in FIELD.findall(word):
            if names.get(field, names) is not None:
                raise self._wrong(f"no field is called [{field}]")
        if set("[]") & set(FIELD.sub("", word)):
            raise self._wrong("a bracket is not closed, or not open")
        return LEFT_ALONE.sub("\xa0", word)

    def _peek(self) -> str | None:
        return self._lines[self._at] if self._at < len(self._lines) else None

    def _next(self) -> str:
        self._at += 1
        return self._lines[self._at - 1]

    def _wrong(self, expected: str) -> TemplateError:
        return TemplateError(self._at, expected)


def names_of(model: type[BaseModel]) -> dict[str, Any]:
    """Name the fields of a model, and those of the things that its lists hold."""
    return {name: names_in(field.annotation) for name, field in model.model_fields.items()}


def names_in(annotation: Any) -> dict[str, Any] | None:
    """Name the fields of what a list holds; None for anything else."""
    held = next(iter(get_args(annotation)), None)
    return names_of(held) if isinstance(held, type) and issubclass(held, BaseModel) else None


def cut(line: str, mark: str) -> Words:
    """Cut a row into its cells, and a line of a list after its label."""
    if mark == "|":
        return tuple(cell.strip() for cell in line.strip("|").split("|"))
    text = line.removeprefix(mark)
    label, colon, said = text.partition(" : ")
    return (label.strip(), said.strip()) if mark and colon else (text,)


def nested(over: str, one: Mapping[str, Any]) -> dict[str, Any]:
    """Name what one of a list holds as a template does outside of it: `enfants.nom`."""
    return {f"{over}.{name}": value for name, value in one.items()}


def fill(text: str, scope: Mapping[str, Any]) -> str:
    """Fill the fields, once: a bracket in a value stays what it is."""
    return FIELD.sub(lambda found: say(scope[found[1]]), text)


def write_blocks(blocks: Iterable[Block | Order], scope: ChainMap[str, Any]) -> Iterator[dict[str, Any]]:
    """Write what the layout draws, in order."""
    for block in blocks:
        yield from block.fill(scope)


def tidy(blocks: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Make one list of lists that follow each other, and leave no level out between headings (PDF/UA 7.4.2)."""
    tidied: list[dict[str, Any]] = []
    level = 1
    for block in blocks:
        match block["sorte"]:
            case "liste" if tidied and tidied[-1]["sorte"] == "liste":
                tidied[-1]["lignes"] += block["lignes"]
                continue
            case "titre":
                level = block["niveau"] = min(block["niveau"], level + 1)
        tidied.append(block)
    return tidied
