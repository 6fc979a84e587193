"""What a mapping makes of a form's lists and choices: the items it reads have those fields, its tables know each value.

The form's schema says both; no request has to be made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from hub.catalogue import Definition
from hub.mapping import CompiledMapping
from hub.proof.finding import Finding
from hub.proof.reading import fields_of, reads_of, unknown
from hub.proof.witnesses import opened
from hub.query import Query
from hub.routing import Carried, named_steps
from hub.yamlfile import line_of

Schema = Mapping[str, Any]

TABLE: Final = re.compile(r"\$lookup\(\s*\{(?P<pairs>[^{}]*)\}\s*,\s*(?P<path>[$\w.]+)\s*\)\s*(?P<default>\?[?:])?")
"""A table in an expression, what is looked up in it, and whether something stands for what it does not know."""
KEY: Final = re.compile(r'"([^"]*)"\s*:')
LISTED: Final = re.compile(r"data(?P<path>(\.\w+)+)(#\$\w+\.\$merge\(\[\$, *\{(?P<beside>[^{}]*)\}\]\))?")
"""A list that is gone through as it is, or with something written beside each item's own fields."""


Form = Definition | Query


def check_totality(forms: Iterable[Form], mappings: Path) -> Iterator[Finding]:
    """Find the fields of items that no item has, and the values of a choice that a table leaves out.

    What a mapping reads must be in the items of one of the `forms`; each of them may be all that there is.
    `mappings`: the folder that the mappings are in.
    """
    uses: dict[str, list[_Use]] = {}
    for form in forms:
        for mapping, item in _reached(form):
            uses.setdefault(mapping.name, []).append(_Use(form, mapping, item))
    for name, found in uses.items():
        file = mappings / f"{name}.yaml"
        text = file.read_text("utf-8") if file.exists() else ""
        for code, field, said in dict.fromkeys((*_unread(found), *_left_out(found))):
            line = line_of(text, ("fields", *field.split("."))) if text else None
            yield Finding(str(file), f"{field}: {said}", line, field, ADVICE[code], code)


ADVICE: Final = {
    "path-unknown": "read a field that the schema has, or add it to the schema",
    "value-unmapped": "give each value of the form its own in the `$lookup`, or a default (`?? …`)",
}


class _Use(NamedTuple):
    """A mapping that a form's fields reach, and the schema of the items that it is given one by one."""

    form: Form
    mapping: CompiledMapping
    item: Schema | None


def name_of(of: Form) -> str:
    """Name a kind or a query."""
    return of.kind if isinstance(of, Definition) else of.name


def _reached(of: Form) -> Iterator[tuple[CompiledMapping, Schema | None]]:
    """Give each mapping that a form's fields reach, with the schema of the items that it is given one by one."""
    if isinstance(of, Query):
        yield of.mapping, None
        return
    for step in named_steps(of.route.steps):
        if isinstance(step, Carried):
            yield of.mappings[step.using], _items(step.for_each or "", of.schema)


def _items(for_each: str, root: Schema) -> Schema | None:
    """Give the schema of the items of a list; None where it is not read as it stands."""
    listed = LISTED.fullmatch(for_each.strip())
    found = _at(listed["path"].split(".")[1:], root, root) if listed else None
    if not listed or not found or "properties" not in found:
        return found
    beside: dict[str, Schema] = {name: {} for name in KEY.findall(listed["beside"] or "")}
    return {**found, "properties": {**found["properties"], **beside}}


def _unread(uses: list[_Use]) -> Iterator[tuple[str, str, str]]:
    """Say what is read of items that none of the forms lets them have."""
    if any(use.item is None for use in uses):
        return
    for field, expression in uses[0].mapping.parts.items():
        tree = reads_of(expression)
        below = tree.get("$item") if isinstance(tree, dict) else None
        each = [dict(unknown(below, use.item or {}, use.form.schema)) for use in uses]
        for path in set(each[0]).intersection(*each[1:]):
            meant = f": did you mean {each[0][path]}?" if each[0][path] else ""
            yield "path-unknown", field, f"reads $item.{path}, which no item has{meant}"


def _left_out(uses: list[_Use]) -> Iterator[tuple[str, str, str]]:
    """Say which values of a choice a table has nothing for."""
    for form, mapping, item in uses:
        for field, expression in mapping.parts.items():
            for table in TABLE.finditer(expression.source):
                first, *rest = table["path"].split(".")
                known = {"data": form.schema, "$item": item}.get(first)
                left_out = set(_values(_at(rest, known, form.schema))) - set(KEY.findall(table["pairs"]))
                if left_out and not table["default"]:
                    named = ", ".join(sorted(left_out))
                    yield "value-unmapped", field, f"the table leaves out {named}, which {name_of(form)} has"


def _at(path: list[str], schema: Schema | None, root: Schema) -> Schema | None:
    """Give the schema at a path, lists passed through as JSONata does; None where that is not one schema."""
    for name in [*path, ""]:
        schema = opened(schema, root) if schema is not None else None
        while schema is not None and schema.get("type") == "array":
            schema = opened(schema.get("items", {}), root)
        if schema is None or not name:
            return schema
        fields, _ = fields_of(schema, root)
        schema = fields.get(name)
    return schema


def _values(schema: Schema | None) -> list[str]:
    return [one for one in (schema or {}).get("enum", ()) if isinstance(one, str)]
