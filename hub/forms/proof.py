"""Why a form cannot work: every reason, with the field's title and what to do about it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import EmailStr, TypeAdapter, ValidationError

from hub.forms.fields import COLLECTION, COMMENT, MOST_FILES, MOST_ROWS, NAMES, PASSWORD, STEP, is_a, is_list, type_of
from hub.forms.model import CODE, Condition, Finding, Form, FormField, FormStep, plain, walk
from hub.routing import INTEGRATION_ERROR

MAILBOX: Final[TypeAdapter[str]] = TypeAdapter(EmailStr)

Seen = dict[str, FormField]
"""The fields before a place, by their codes: those a condition there may read."""


def prove(form: Form, stages: Sequence[str]) -> list[Finding]:
    """Find everything for which a form cannot work; `stages` are those its target fails under."""
    return [*_service(form), *_error(form, stages), *_codes(form), *_files(form), *_steps(form)]


def _service(form: Form) -> Iterator[Finding]:
    where, service = "/service/email", form.service
    if not service.email:
        yield Finding(where, service.title, "the service has no address", "give the mailbox that receives the requests")
        return
    try:
        MAILBOX.validate_python(service.email)
    except ValidationError:
        yield Finding(where, service.title, "this is no e-mail address", "give one, such as service@ville.example")


def _error(form: Form, stages: Sequence[str]) -> Iterator[Finding]:
    known = (*stages, INTEGRATION_ERROR)
    if form.error.title and form.error.title not in known:
        listed = " or ".join(f"« {stage} »" for stage in known)
        wrong = f"its requests never stand at « {form.error.title} »"
        yield Finding("/error/title", form.title, wrong, f"an error step is its target's: {listed}, or none here")


def _codes(form: Form) -> Iterator[Finding]:
    """Each answer has a code of its own, among those beside it."""
    levels = [("/steps", [field for step in form.steps for field in step.fields])]
    levels += [(path, list(field.fields)) for path, field in walk(form) if is_a(field, COLLECTION)]
    for path, fields in levels:
        times = Counter(field.code for field in fields if field.code)
        for field in fields:
            if times[field.code] > 1:
                yield Finding(path, field.name, f"the code {field.code!r} is twice there", "give each its own code")
                times[field.code] = 0


def _files(form: Form) -> Iterator[Finding]:
    """Count the files that a request may have, those in each row of a collection included."""
    fields = [field for _, field in walk(form)]
    inside = {id(one): field.max or MOST_ROWS for field in fields for one in field.fields}
    files = [field for field in fields if is_a(field, "Fichier")]
    most = sum(((field.max or MOST_FILES) if is_list(field) else 1) * inside.get(id(field), 1) for field in files)
    if most > MOST_FILES:
        wrong = f"a request has at most {MOST_FILES} files, and the form asks for up to {most}"
        yield Finding("/steps", files[-1].name, wrong, "lower the `max` of its files, or of the collection they are in")


def _steps(form: Form) -> Iterator[Finding]:
    seen: Seen = {}
    for index, step in enumerate(form.steps):
        path = f"/steps/{index}"
        if plain(step.type) != plain(STEP):
            yield Finding(path, step.title, f"{step.type!r} is no step", f"give « {STEP} », with fields in it")
        if not any(type_of(field) or is_a(field, COLLECTION) for field in step.fields):
            yield Finding(path, step.title, "nothing is asked in this step", "give it a field, or take it out")
        yield from _condition(path, step, seen, form)
        yield from _fields(f"{path}/fields", step.fields, seen, form)


def _fields(
    path: str, fields: Sequence[FormField], seen: Seen, form: Form, *, inside: bool = False
) -> Iterator[Finding]:
    for index, field in enumerate(fields):
        here = f"{path}/{index}"
        yield from _condition(here, field, seen, form)
        if is_a(field, COLLECTION):
            yield from _collection(here, field, form, inside=inside)
        else:
            yield from _answer(here, field)
        seen[field.code] = field


def _collection(path: str, field: FormField, form: Form, *, inside: bool) -> Iterator[Finding]:
    yield from _code(path, field)
    if inside:
        yield Finding(path, field.name, "a collection stands in a collection", "put it beside the other one")
    if not any(map(type_of, field.fields)):
        yield Finding(path, field.name, "nothing is repeated in this collection", "give it fields, or take it out")
    if field.max is not None and field.min > field.max:
        yield Finding(
            path, field.name, f"at least {field.min} and at most {field.max} rows", "let `min` be the smaller"
        )
    yield from _fields(f"{path}/fields", field.fields, {}, form, inside=True)


def _answer(path: str, field: FormField) -> Iterator[Finding]:
    """Look at one field that is no collection."""
    known = type_of(field)
    if is_a(field, PASSWORD):
        wrong = "a password would be stored, and sent by e-mail"
        yield Finding(path, field.name, wrong, "take the field out: nobody at the city needs it")
    elif is_a(field, STEP):
        yield Finding(path, field.name, "a step stands among fields", "put it beside the other steps")
    elif known is None and not is_a(field, COMMENT):
        yield Finding(path, field.name, f"there is no type {field.type!r}", f"give one of: {', '.join(NAMES)}")
    elif known is not None:
        yield from _code(path, field)
        yield from _options(path, field, takes=known.chooses or is_a(field, "Case à cocher"), needs=known.chooses)
        if field.max_length is not None and field.min_length > field.max_length:
            wrong = f"at least {field.min_length} and at most {field.max_length} characters"
            yield Finding(path, field.name, wrong, "let `min_length` be the smaller")
        if field.fields:
            yield Finding(path, field.name, "only a collection has fields", f"make it a {COLLECTION}, or take them out")


def _code(path: str, field: FormField) -> Iterator[Finding]:
    if not re.fullmatch(CODE, field.code):
        wrong = f"its code is {field.code!r}" if field.code else "it has no code"
        yield Finding(path, field.name, wrong, "give small letters, digits and underscores, a letter first, 40 at most")
    if not field.title:
        yield Finding(
            path, field.name, "it has no title", "give the one that citizens read: refusals name the field by it"
        )


def _options(path: str, field: FormField, *, takes: bool, needs: bool) -> Iterator[Finding]:
    values = [option.value for option in field.options]
    if needs and not values:
        yield Finding(path, field.name, "there is nothing to choose from", "give `options`, one at least")
    if values and not takes:
        yield Finding(path, field.name, f"« {field.type} » has no options", "take them out, or make it a Sélection")
    if len(set(values)) < len(values):
        yield Finding(path, field.name, "two options have the same value", "give each its own")


def _condition(path: str, shown: FormField | FormStep, seen: Seen, form: Form) -> Iterator[Finding]:
    """Look at the condition under which something is shown: it reads an answer that was given before."""
    condition = shown.visible_if
    if condition is None:
        return
    where, title = f"{path}/visible_if", shown.title or shown.code
    source = seen.get(condition.field)
    if source is None:
        is_later = any(field.code == condition.field for _, field in walk(form))
        wrong = f"it is shown by {condition.field!r}, which " + (
            "comes later or elsewhere" if is_later else "is no field"
        )
        advice = (
            "move it after that field, among the same fields"
            if is_later
            else f"name one of: {', '.join(seen) or 'none before it'}"
        )
        yield Finding(where, title, wrong, advice)
        return
    known = type_of(source)
    if known is None or not known.compares:
        wrong = f"« {source.name} » ({source.type}) has no value to compare"
        yield Finding(where, title, wrong, "name a field that holds a choice or a text")
        return
    strange = [value for value in condition.values if not _admits(source, value)]
    if strange or not condition.values:
        wrong = f"« {source.name} » is never {strange[0]!r}" if strange else "it is shown for no value"
        yield Finding(where, title, wrong, f"give {_admitted(source)}")


def _admits(source: FormField, value: str | bool) -> bool:  # noqa: FBT001  # a value of the form
    if source.options:
        return value in [option.value for option in source.options]
    return isinstance(value, bool) == is_a(source, "Case à cocher")


def _admitted(source: FormField) -> str:
    if source.options:
        return f"one of: {', '.join(option.value for option in source.options)}"
    return "true or false" if is_a(source, "Case à cocher") else "a text"


def conditions_of(form: Form) -> Mapping[str, list[Condition]]:
    """Give what each field of the form itself is shown by: its own condition, and its step's."""
    return {
        field.code: [one for one in (step.visible_if, field.visible_if) if one is not None]
        for step in form.steps
        for field in step.fields
    }


def shows(conditions: Sequence[Condition], data: Mapping[str, Any]) -> bool:
    """Say whether what these conditions guard is shown, for these answers."""
    return all(_holds(condition, data.get(condition.field)) for condition in conditions)


def _holds(condition: Condition, answer: Any) -> bool:
    given = answer if isinstance(answer, list) else [answer]
    return any(one in condition.values for one in given if one is not None)
