"""What changes for front ends from one version of a form to the next, field by field, and what breaks them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from hub.forms.fields import COMMENT, is_a, is_list
from hub.forms.model import Condition, Form, FormField, plain


@dataclass(frozen=True, slots=True)
class Change:
    """One change: the field by its code (`voisins.nom` in a collection) and its title; whether it breaks front ends.

    It breaks them when a request that was accepted before is refused after it.
    """

    field: str
    title: str
    change: str
    breaking: bool


Told = Iterator[tuple[str, bool]]


def compare(old: Form, new: Form) -> list[Change]:
    """List what changes, the fields in the order of the new form, those that go last."""
    changes = [Change("", new.title, said, breaking=False) for said in _of_form(old, new)]
    before, after = dict(_fields(old)), dict(_fields(new))
    for code, (field, conditions) in after.items():
        if code not in before:
            said = f"added, {'required' if _must(field) else 'optional'}"
            within, inside, _ = code.rpartition(".")
            asks_after = {one.field for one in conditions} | {f"{within}.{one.field}" for one in conditions if inside}
            is_reached = (not inside or within in before) and (not conditions or bool(asks_after & before.keys()))
            changes.append(Change(code, field.name, said, _must(field) and is_reached))
            continue
        changes += [Change(code, field.name, said, breaking) for said, breaking in _told(before[code], after[code])]
    changes += [
        Change(code, was.name, "taken out", breaking=True) for code, (was, _) in before.items() if code not in after
    ]
    return changes


Shown = tuple[FormField, tuple[Condition, ...]]


def _fields(form: Form) -> Iterator[tuple[str, Shown]]:
    for step in form.steps:
        for field in step.fields:
            if is_a(field, COMMENT):
                continue
            yield field.code, (field, tuple(one for one in (step.visible_if, field.visible_if) if one))
            for inner in field.fields:
                if not is_a(inner, COMMENT):
                    yield f"{field.code}.{inner.code}", (inner, (inner.visible_if,) if inner.visible_if else ())


def _of_form(old: Form, new: Form) -> Iterator[str]:
    for member in ("title", "description", "service", "error", "accepted", "signature"):
        if getattr(old, member) != getattr(new, member):
            yield f"{member} changed"
    if [step.title for step in old.steps] != [step.title for step in new.steps]:
        yield "steps changed"


def _told(before: Shown, after: Shown) -> Told:
    (was, shown_before), (now, shown_after) = before, after
    if plain(was.type) != plain(now.type) or is_list(was) != is_list(now):
        yield f"{_type(was)} became {_type(now)}", True
        return
    if shown_before != shown_after:
        yield "shown under another condition", True
    if _must(was) != _must(now):
        yield ("required now", True) if _must(now) else ("no longer required", False)
    for look in LOOKS:
        yield from look(was, now)


def _type(field: FormField) -> str:
    return f"{field.type}{' (several)' if is_list(field) else ''}"


def _must(field: FormField) -> bool:
    return field.required or (is_a(field, "Collection") and field.min > 0)


def _options(was: FormField, now: FormField) -> Told:
    before = {option.value: option.label for option in was.options}
    after = {option.value: option.label for option in now.options}
    if gone := before.keys() - after.keys():
        yield f"options taken out: {', '.join(sorted(gone))}", True
    if new := after.keys() - before.keys():
        yield f"options added: {', '.join(sorted(new))}", False
    if any(after.get(value, label) != label for value, label in before.items()):
        yield "options read otherwise", False


def _limits(was: FormField, now: FormField) -> Told:
    for name in ("min", "min_length"):
        before, after = getattr(was, name), getattr(now, name)
        if before != after:
            yield f"{name}: {before} became {after}", after > before
    for name in ("max", "max_length"):
        before, after = getattr(was, name), getattr(now, name)
        if before != after:
            narrower = after is not None and (before is None or after < before)
            yield f"{name}: {before or 'none'} became {after or 'none'}", narrower or after is None


def _words(was: FormField, now: FormField) -> Told:
    for member in ("title", "help"):
        if getattr(was, member) != getattr(now, member):
            yield f"{member} changed", False


LOOKS: Final[tuple[Callable[[FormField, FormField], Told], ...]] = (_options, _limits, _words)
