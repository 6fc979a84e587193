"""The register of processing: what each kind and each query carries of people, and who receives which field.

It is read off routes, mappings, schemas and settings, so that it cannot say anything else than what the hub does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from hub.catalogue import CALLBACK_MAPPING, Catalogue, Definition
from hub.mapping import CompiledMapping, Expression
from hub.privacy.classes import DATA, DataClass, Leaf, fields, leaves
from hub.privacy.terms import Privacy, Retention
from hub.proof.reading import Tree, joined, reads_of
from hub.query import Query
from hub.routing import CALLBACK, Carried, Deliver, Enrich, Route, named_steps
from hub.settings import Settings

ITEM: Final = "$item"
ANSWERS: Final = "$answers"
NO_FILES: Final = "[]"
EVERY_FILE: Final = "toutes les pièces jointes"
SOME_FILES: Final = "les pièces jointes que choisit la correspondance"
MADE_FILES: Final = "les documents que le hub a faits"


@dataclass(frozen=True, slots=True)
class Field:
    """One field as the register shows it."""

    name: str
    title: str
    data_class: DataClass
    said: bool
    """Whether the schema says its class."""

    @classmethod
    def of(cls, leaf: Leaf) -> Field:
        """Show a field of a schema."""
        return cls(leaf.name, str(leaf.schema.get("title", leaf.path[-1])), leaf.data_class, leaf.said is not None)


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who receives something of a request: by which step, where, what, and why it is asked."""

    step: str
    target: str
    connector: str
    operation: str
    hosts: tuple[str, ...]
    fields: tuple[Field, ...]
    answers: tuple[str, ...] = ()
    """What earlier steps were answered, `geocodage.libelle`."""
    files: str = ""
    purpose: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One processing."""

    name: str
    title: str
    owner: str
    privacy: Privacy
    retention: Retention | None
    """None for a query: the hub keeps nothing of it."""
    fields: tuple[Field, ...]
    recipients: tuple[Recipient, ...]

    @property
    def purpose(self) -> str:
        """What the data are for."""
        return self.privacy.purpose or self.title

    @property
    def classes(self) -> list[DataClass]:
        """What is there of people, in the order of the closed list."""
        there = {one.data_class for one in self.fields} - {DataClass.NONE}
        return [one for one in DataClass if one in there]


def register(catalogue: Catalogue, settings: Settings) -> list[Entry]:
    """Write the register: the kinds, then the queries, by name."""
    kinds = [_of_kind(one, settings) for _, one in sorted(catalogue.kinds.items())]
    return [*kinds, *(_of_query(one, settings) for _, one in sorted(catalogue.queries.items()))]


def _of_kind(definition: Definition, settings: Settings) -> Entry:
    route, known = definition.route, list(fields(definition.schema).values())
    reached = [one for step in _carried(route) for one in _of_step(step, definition, settings, known)]
    return Entry(
        name=definition.kind,
        title=route.title,
        owner=route.owner,
        privacy=route.privacy,
        retention=route.privacy.retention(settings.retention),
        fields=tuple(Field.of(leaf) for leaf in known),
        recipients=(*reached, *_callbacks(definition, settings, known)),
    )


def _of_query(query: Query, settings: Settings) -> Entry:
    known = list(leaves(query.schema, (DATA,)).values())
    mapping, target = query.mapping, query.said.target
    asked = Recipient(
        step="question",
        target=target,
        connector=mapping.connector,
        operation=mapping.operation,
        hosts=hosts(settings, target),
        fields=_selected(known, _tree(mapping)),
    )
    named = tuple(Field.of(leaf) for leaf in known)
    return Entry(query.name, query.said.title, "", Privacy(), None, named, (asked,))


def _carried(route: Route) -> Iterator[Carried]:
    """Give every step that speaks to a target, with those that take it back."""
    for step in named_steps(route.steps):
        if isinstance(step, Carried):
            yield step


def _of_step(step: Carried, definition: Definition, settings: Settings, known: Sequence[Leaf]) -> Iterator[Recipient]:
    mapping = definition.mappings[step.using]
    tree = _with_items(_tree(mapping), step.for_each)
    for target in _targets(step.target, settings):
        yield Recipient(
            step=step.name,
            target=target,
            connector=mapping.connector,
            operation=mapping.operation,
            hosts=hosts(settings, target),
            fields=_selected(known, tree),
            answers=tuple(_answers(tree)),
            files="" if isinstance(step, Deliver) and step.is_reversal else _files(mapping),
            purpose=step.purpose if isinstance(step, Enrich) else "",
        )


def _callbacks(definition: Definition, settings: Settings, known: Sequence[Leaf]) -> Iterator[Recipient]:
    """Give the front ends that are told the stages, each by its own target."""
    for front_end, said in sorted(settings.front_ends.items()):
        called = settings.targets.get(said.callback or "")
        mapping = definition.mappings.get(f"{called.connector}/{CALLBACK_MAPPING}") if called else None
        if mapping is not None and said.callback:
            yield Recipient(
                step=f"{CALLBACK} ({front_end})",
                target=said.callback,
                connector=mapping.connector,
                operation=mapping.operation,
                hosts=hosts(settings, said.callback),
                fields=_selected(known, _tree(mapping)),
            )


def _tree(mapping: CompiledMapping) -> Tree:
    """Say what a mapping reads: element by element, which tells more than the whole of a long one."""
    return joined([reads_of(part) for part in mapping.parts.values()])


def _targets(target: str, settings: Settings) -> list[str]:
    """Name a step's target, and those that sites have in its place."""
    return [target, *sorted({said[target] for said in settings.sites.values() if target in said} - {target})]


def _with_items(tree: Tree, for_each: str | None) -> Tree:
    """Say what a mapping reads of an item as what it reads of the list."""
    if tree is True or for_each is None:
        return tree
    of_list = reads_of(Expression(for_each))
    item = tree.get(ITEM)
    below = [_beneath(of_list, item)] if item else []
    return joined([{name: one for name, one in tree.items() if name != ITEM}, *below])


def _beneath(tree: Tree, item: Tree) -> Tree:
    """Put what is read of an item where a list is read whole."""
    if tree is True or not tree:
        return item
    return {name: _beneath(below, item) for name, below in tree.items()}


def _selected(known: Iterable[Leaf], tree: Tree) -> tuple[Field, ...]:
    """Keep the fields that are read and tell something of a person."""
    return tuple(
        Field.of(leaf) for leaf in known if leaf.data_class is not DataClass.NONE and tree and _is_read(tree, leaf.path)
    )


def _is_read(tree: Tree, path: Sequence[str]) -> bool:
    for part in path:
        if tree is True or not tree:
            return True
        if part not in tree:
            return False
        tree = tree[part]
    return True


def _answers(tree: Tree) -> Iterator[str]:
    if isinstance(tree, Mapping) and isinstance(tree.get(ANSWERS), Mapping):
        yield from sorted(_paths(tree[ANSWERS]))


def _paths(tree: Tree, above: str = "") -> Iterator[str]:
    if tree is True or not tree:
        yield from [above] if above else []
        return
    for name, below in tree.items():
        yield from _paths(below, f"{above}.{name}" if above else name)


def _files(mapping: CompiledMapping) -> str:
    """Say which of a request's files go with the message."""
    if mapping.files is None:
        return EVERY_FILE
    if mapping.files.source.strip() == NO_FILES:
        return ""
    tree = reads_of(mapping.files)
    return MADE_FILES if tree is not True and set(tree) == {ANSWERS} else SOME_FILES


def hosts(settings: Settings, target: str) -> tuple[str, ...]:
    """Name the hosts by which a target is reached, as the settings say it."""
    said = settings.targets.get(target)
    return tuple(dict.fromkeys(_hosts(said.settings))) if said else ()


HOST_NAMES: Final = frozenset({"host", "hostname", "smtp_host"})


def _hosts(value: Any, name: str = "") -> Iterator[str]:
    match value:
        case str() if "://" in value:
            yield from filter(None, [urlsplit(value).hostname])
        case str() if name in HOST_NAMES:
            yield value
        case Mapping():
            for key, one in value.items():
                yield from _hosts(one, str(key))
        case list() | tuple():
            for one in value:
                yield from _hosts(one, name)
