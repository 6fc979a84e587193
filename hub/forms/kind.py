"""The kind that is made of a form: its schema, its route, its texts, its mappings, and samples that it accepts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import orjson
import yaml

from hub.forms.fields import COLLECTION, COMMENT, MOST_ROWS, is_a, is_list, quoted, type_of
from hub.forms.model import Condition, Form, FormField
from hub.forms.proof import conditions_of, shows
from hub.forms.shelf import PREFIX, kind_of
from hub.mapping import CompiledMapping
from hub.privacy.classes import KEYWORD as CLASS
from hub.routing import ACCEPTED, INTEGRATION_ERROR

TARGET: Final = "courriel"
"""The target that hands a form's requests to its service."""

TEXT: Final = """\
[demarche]
Demande N° [numdemande], déposée le [date_depot]

Demandeur : [prenom] [nom]
Courriel : [courriel]
Téléphone : [telephone]

[contenu]
"""
"""What the service reads; what citizens wrote is in fields, whose own brackets are never filled."""

SAMPLES: Final = ("complet", "essentiel", "autres_choix")
OTHERWISE: Final = (0, 0, 1)
"""Which of its values each sample gives a field."""

WIDTH: Final = 1_000_000
"""Of a line of YAML: an expression is never folded."""

PEOPLE: Final = (
    ("Martin", "Léa", "lea.martin@example.org"),
    ("Petit", "Noé", None),
    ("Nguyễn", "An", "an@example.org"),
)

Files = dict[str, bytes]


def files_of(form: Form, version: int, stages: Sequence[str]) -> tuple[Files, Files]:
    """Write a version of a form: the files of its kind's folder, and its mappings by their names.

    `stages` are those its requests stand at when the target fails.
    """
    samples = {f"samples/{name}.json": _json(sample(form, number)) for number, name in enumerate(SAMPLES)}
    folder = {
        "schema.json": _json(schema(form)),
        "route.yaml": _yaml(route(form, version)),
        "texts.yaml": _yaml({"messages": messages(form, stages)}),
        **samples,
    }
    names = (_name(form, version), f"{_name(form, version)}_accuse")
    written = (letter(form, names[0]), receipt(form, names[1]))
    return folder, {f"{name}.yaml": _with_examples(said, form) for name, said in zip(names, written, strict=True)}


def schema(form: Form) -> dict[str, Any]:
    """Say what the data of a request hold: one property an answer, its steps beside them."""
    conditions = conditions_of(form)
    fields = [field for step in form.steps for field in step.fields if not is_a(field, COMMENT)]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": form.title,
        **({"description": form.description} if form.description else {}),
        **_level(fields, conditions),
        "x-etapes": [
            {
                "title": step.title,
                **({"description": step.help} if step.help else {}),
                "fields": [field.code for field in step.fields if not is_a(field, COMMENT)],
                "comments": [field.help or field.title for field in step.fields if is_a(field, COMMENT)],
            }
            for step in form.steps
        ],
    }


def _level(fields: Sequence[FormField], conditions: Mapping[str, Sequence[Condition]]) -> dict[str, Any]:
    """Say what one object holds: what is always required is, the rest is where its condition holds."""
    by_code = {field.code: field for field in fields}
    guarded = [field for field in fields if conditions.get(field.code)]
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [field.code for field in fields if _is_required(field) and field not in guarded],
        "properties": {field.code: _property(field) for field in fields},
        **({"allOf": [_guard(field, conditions[field.code], by_code) for field in guarded]} if guarded else {}),
    }


def _is_required(field: FormField) -> bool:
    return field.required or (is_a(field, COLLECTION) and field.min > 0)


def _property(field: FormField) -> dict[str, Any]:
    known = type_of(field)
    said = {"title": field.title, **({"description": field.help} if field.help else {}), "x-type": field.type}
    if known is not None:
        return said | {CLASS: known.data_class_of(field)} | known.schema(field)
    rows = [one for one in field.fields if not is_a(one, COMMENT)]
    inside = {one.code: [one.visible_if] for one in rows if one.visible_if}
    return (
        said
        | ({CLASS: field.data_class} if field.data_class else {})
        | {
            "type": "array",
            "minItems": field.min,
            "maxItems": field.max or MOST_ROWS,
            "items": {"title": field.title, **_level(rows, inside)},
        }
    )


def _guard(field: FormField, conditions: Sequence[Condition], by_code: Mapping[str, FormField]) -> dict[str, Any]:
    """Ask for a field where it is shown, if it must be given, and admit it nowhere else."""
    met = [_met(condition, by_code[condition.field]) for condition in conditions]
    return {
        "if": met[0] if len(met) == 1 else {"allOf": met},
        **({"then": {"required": [field.code]}} if _is_required(field) else {}),
        "else": {"properties": {field.code: False}},
    }


def _met(condition: Condition, source: FormField) -> dict[str, Any]:
    wanted = {"enum": condition.values}
    held = {"contains": wanted} if is_list(source) else wanted
    return {"required": [condition.field], "properties": {condition.field: held}}


def route(form: Form, version: int) -> dict[str, Any]:
    """Lead requests to the service's mailbox, and tell the citizen that they came in."""
    name = f"{TARGET}/{_name(form, version)}"
    return {
        "route": kind_of(form.code),
        "title": form.title,
        "owner": form.service.title,
        "steps": [
            {"deliver": TARGET, "using": name},
            {
                "notify": TARGET,
                "id": "accuse_reception",
                "using": f"{name}_accuse",
                "for_each": "applicant.contact.email",
            },
        ],
    }


def messages(form: Form, stages: Sequence[str]) -> dict[str, str]:
    """Say it in the form's own words: accepted, and at its error step."""
    failed = form.error.message or (
        f"Votre demande N° [numdemande] ({form.title}) demande une vérification de nos services. "
        "Vous n'avez aucune démarche à faire ; nous revenons vers vous."
    )
    accepted = form.accepted or f"Votre demande N° [numdemande] a été remise au service {form.service.title}."
    return {ACCEPTED: accepted, **dict.fromkeys((*stages, INTEGRATION_ERROR), failed)}


def letter(form: Form, name: str) -> dict[str, Any]:
    """Write the mapping of the mail to the service."""
    return {
        "mapping": f"{TARGET}/{name}",
        "from": kind_of(form.code),
        "to": "courriel.envoyer",
        "fields": {
            "to": orjson.dumps([form.service.email]).decode(),
            "reply_to": "applicant.contact.email[$contains($, /^[!-~]+@/)]",
            "subject": quoted("[demarche], demande N° [numdemande]"),
            "text": quoted(TEXT),
            "fields": {
                **_addressee(form),
                "courriel": 'applicant.contact.email ?? ""',
                "telephone": 'applicant.contact.phone ?? ""',
                "contenu": _contents(form),
            },
        },
    }


def receipt(form: Form, name: str) -> dict[str, Any]:
    """Write the mapping of the mail to the citizen."""
    return {
        "mapping": f"{TARGET}/{name}",
        "from": kind_of(form.code),
        "to": "courriel.informer",
        "fields": {
            "to": "[$item]",
            "template": quoted("accuse_reception"),
            "fields": {**_addressee(form), "ville": quoted(form.signature)},
        },
        "files": "[]",
    }


def _addressee(form: Form) -> dict[str, str]:
    return {
        "numdemande": "$numero(number)",
        "date_depot": "$date_fr(received_at)",
        "prenom": "applicant.identity.given_name",
        "nom": "applicant.identity.preferred_username ?? applicant.identity.family_name",
        "demarche": quoted(form.title),
    }


def _contents(form: Form) -> str:
    """Write every answer under its title, step by step; a step without an answer is left out."""
    steps = [
        f'($l := [{", ".join(_lines(step.fields, "data"))}]; $count($l) = 0 ? "" : '
        f'$join($append({quoted(f"— {step.title} —")}, $l), "\\n"))'
        for step in form.steps
    ]
    return f'$join([{", ".join(steps)}][$ != ""], "\\n\\n") ?? ""'


def _lines(fields: Sequence[FormField], above: str) -> Iterator[str]:
    for field in fields:
        path, known = f"{above}.`{field.code}`", type_of(field)
        if known is not None:
            yield f"($exists({path}) ? {quoted(f'{field.title} : ')} & {known.shown(field, path)})"
        elif is_a(field, COLLECTION):
            row = f'$join([{", ".join(_lines(field.fields, "$row"))}], " ; ")'
            numbered = f'{quoted(f"{field.title} ")} & $string($place + 1) & " : " & {row}'
            yield f"($exists({path}) ? $map({path}, function($row, $place) {{ {numbered} }}))"


def sample(form: Form, number: int) -> dict[str, Any]:
    """Invent a request: the first with every answer, the second with those that must be given, the third otherwise."""
    family_name, given_name, email = PEOPLE[number % len(PEOPLE)]
    fields = [field for step in form.steps for field in step.fields]
    data = _answers(fields, conditions_of(form), number)
    return {
        "kind": kind_of(form.code),
        "channel": "internet" if email else "guichet",
        "applicant": {
            "identity": {"family_name": family_name, "given_name": given_name},
            "contact": {"email": email} if email else {"phone": "06 39 98 12 34"},
        },
        "data": data,
        "attachments": list(_named_files(fields, data)),
    }


def _answers(fields: Sequence[FormField], conditions: Mapping[str, Sequence[Condition]], number: int) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for field in fields:
        is_wanted = _is_required(field) or SAMPLES[number] != "essentiel"
        if is_wanted and not is_a(field, COMMENT) and shows(conditions.get(field.code, ()), data):
            data[field.code] = _answer(field, number)
    return data


def _answer(field: FormField, number: int) -> Any:
    known = type_of(field)
    if known is not None:
        return known.sample(field, OTHERWISE[number])
    inside = {one.code: [one.visible_if] for one in field.fields if one.visible_if}
    return [_answers(field.fields, inside, number) for _ in range(max(field.min, 1))]


def _named_files(fields: Sequence[FormField], data: Mapping[str, Any]) -> Iterator[str]:
    for field in fields:
        answer = data.get(field.code)
        if answer is None:
            continue
        if is_a(field, "Fichier"):
            yield from answer if isinstance(answer, list) else [answer]
        elif is_a(field, COLLECTION):
            for row in answer:
                yield from _named_files(field.fields, row)


def _name(form: Form, version: int) -> str:
    return f"{PREFIX}_{form.code}_{version}"


def _with_examples(said: dict[str, Any], form: Form) -> bytes:
    """Add to a mapping what it writes for the samples, for `hub check` to hold it to."""
    text = _yaml({**said, "examples": [{"name": "nothing", "given": {}, "expect": {}}]}).decode()
    mapping = CompiledMapping.read(f"mappings/{said['mapping']}.yaml", text)
    examples = []
    for number, name in enumerate(SAMPLES):
        given = sample(form, number) | {"number": 167_046_020, "received_at": "2026-09-07T09:12:45+02:00"}
        bindings = {"item": "lea.martin@example.org"}
        expect = mapping.apply(given, bindings)
        examples.append({"name": name.replace("_", " "), "given": given, "bindings": bindings, "expect": expect})
    return _yaml({**said, "examples": examples})


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


class Dumper(yaml.SafeDumper):
    """Writes YAML without anchors, which people do not expect."""

    def ignore_aliases(self, _data: object) -> bool:
        """Write everything where it stands."""
        return True


def _yaml(value: Any) -> bytes:
    return yaml.dump(value, Dumper=Dumper, allow_unicode=True, sort_keys=False, width=WIDTH, encoding="utf-8")
