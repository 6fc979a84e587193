"""The strict reading of what strangers send: bytes to JSON to a submission, or a problem that names the field."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from jsonschema_rs import Draft202012Validator
from pydantic import ValidationError
from starlette.requests import Request

from hub.model import Submission
from hub.problems import Problem, ProblemType
from hub.words import FieldError, Form, Place, explain_model, pointer, printable

LARGEST_BODY: Final = 2_000_000
DEEPEST: Final = 20
LONGEST_INTEGER: Final = 18
TOO_DEEP: Final = f"plus de {DEEPEST} niveaux d'imbrication"

HIDDEN_IN_ESCAPE: Final = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
"""The only way a NUL or a lone surrogate gets past UTF-8 and the JSON grammar; may be an innocent pair."""

NOT_TEXT: Final = re.compile("[\x00\ud800-\udfff]")
JSON_TYPE: Final = re.compile(r'application/json(\s*;\s*charset\s*=\s*"?utf-?8"?)?\s*', re.IGNORECASE)
DIGITS: Final = re.compile(r"\d{1,18}", re.ASCII)


class Flaw(ValueError):  # noqa: N818  # a value found in the tree as often as it is raised
    """What JSON allows, or Python reads, and the hub does not take."""


def read_json(body: bytes) -> Any:
    """Read JSON that any system behind the hub can hold; raises Problem 400 with the reason and the place.

    Refused although common parsers take them: bytes that are not UTF-8, a byte order mark, a key twice, NaN
    and infinities, integers beyond 18 digits, NUL, lone surrogates, more than twenty levels.
    """
    try:
        value = STRICT.decode(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise _unreadable("le message n'est pas en UTF-8") from None
    except json.JSONDecodeError as error:
        raise _unreadable(f"JSON mal formé, ligne {error.lineno}, colonne {error.colno}") from None
    except RecursionError:
        raise _unreadable(TOO_DEEP) from None
    except Flaw:
        raise _located(body) from None
    if body.count(b"{") + body.count(b"[") > DEEPEST and _deeper_than(DEEPEST, value):
        raise _unreadable(TOO_DEEP)
    if HIDDEN_IN_ESCAPE.search(body) and any(_flaws(value)):
        raise _located(body)
    return value


def headers_of(request: Request) -> dict[str, str]:
    """Give a request's headers as a dict, names in lower case: several look-ups cost less than one in Starlette's."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in request.scope["headers"]}


async def read_body(request: Request, limit: int = LARGEST_BODY) -> bytes:
    """Read a JSON request's body, keeping at most `limit` bytes; raises Problem 400, 413 or 415."""
    declared = _check_headers(headers_of(request), limit)
    body = b""
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise _unreadable("le message s'arrête avant sa fin")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > limit:
            raise _too_large(limit)
    if declared is not None and declared != len(body):
        raise _unreadable("la longueur annoncée n'est pas celle du message")
    return body


def validate_envelope(raw: Any) -> Submission:
    """Turn JSON into a Submission; raises Problem 422 that lists every field to correct.

    The model's own JSON Schema speaks first: pydantic, when not strict, reads 0 as a date and "yes" as true.
    """
    if not ENVELOPE.is_valid(raw):
        raise _invalid(ENVELOPE_FORM.explain(ENVELOPE.iter_errors(raw)))
    try:
        return Submission.model_validate(raw)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        raise _invalid(explain_model(map(dict, found), ENVELOPE_FORM)) from None


def validate_data(validator: Draft202012Validator, schema: Mapping[str, Any], data: Any) -> None:
    """Hold a submission's data to its kind's schema; raises Problem 422 that lists every field to correct."""
    if not validator.is_valid(data):
        raise _invalid(Form(schema).explain(validator.iter_errors(data), prefix=("data",)))


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > LONGEST_INTEGER:
        raise Flaw(f"un nombre entier dépasse {LONGEST_INTEGER} chiffres")
    return int(digits)


def _real(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise Flaw("un nombre est trop grand")
    return value


def _constant(_name: str) -> None:
    raise Flaw("NaN et Infinity ne sont pas des nombres JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise Flaw(f"le champ « {printable(twice)} » figure deux fois")
    return members


def _marking(hook: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Make a hook leave its flaw in the tree, where it can be found, instead of raising it."""

    def mark(read: Any) -> Any:
        try:
            return hook(read)
        except Flaw as flaw:
            return flaw

    return mark


STRICT: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_integer, parse_float=_real, parse_constant=_constant
)
TOLERANT: Final = json.JSONDecoder(
    object_pairs_hook=_marking(_unique),
    parse_int=_marking(_integer),
    parse_float=_marking(_real),
    parse_constant=_marking(_constant),
)

ENVELOPE_SCHEMA: Final = {**Submission.model_json_schema(), "title": "Demande"}
ENVELOPE: Final = Draft202012Validator(ENVELOPE_SCHEMA, validate_formats=True)
ENVELOPE_FORM: Final = Form(ENVELOPE_SCHEMA)


def _located(body: bytes) -> Problem:
    """Read again, tolerating flaws, to say where the first one is."""
    try:
        value = TOLERANT.decode(body.decode("utf-8"))
    except json.JSONDecodeError as error:
        return _unreadable(f"JSON mal formé, ligne {error.lineno}, colonne {error.colno}")
    except RecursionError:
        return _unreadable(TOO_DEEP)
    if _deeper_than(DEEPEST, value):
        return _unreadable(TOO_DEEP)
    path, reason = next(_flaws(value))
    return _unreadable(reason, path)


def _flaws(value: Any, path: Place = ()) -> Iterator[tuple[Place, str]]:
    """Walk a tree for flaws left in it and for characters that no database holds."""
    match value:
        case Flaw():
            yield path, str(value)
        case str() if NOT_TEXT.search(value):
            yield path, "un caractère n'est pas admis (NUL ou demi-caractère)"
        case dict():
            for name, member in value.items():
                yield from _flaws(name, (*path, name))
                yield from _flaws(member, (*path, name))
        case list():
            for index, element in enumerate(value):
                yield from _flaws(element, (*path, index))


def _deeper_than(limit: int, value: Any) -> bool:
    """Say whether containers stand in one another more than `limit` deep, going down level by level."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(limit):
        level = [child for node in level for child in _members(node) if isinstance(child, (dict, list))]
    return bool(level)


def _members(node: Any) -> Iterable[Any]:
    return node.values() if isinstance(node, dict) else node


def _check_headers(headers: Mapping[str, str], limit: int) -> int | None:
    """Refuse by the headers alone what can be; give the declared length."""
    if headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise Problem(ProblemType.UNSUPPORTED_MEDIA_TYPE, "Les messages compressés ne sont pas admis.")
    if not JSON_TYPE.fullmatch(headers.get("content-type", "").strip()):
        raise Problem(ProblemType.UNSUPPORTED_MEDIA_TYPE, "Seul application/json, en UTF-8, est admis.")
    declared = headers.get("content-length")
    if declared is None:
        return None
    if not DIGITS.fullmatch(declared):
        raise _unreadable("la longueur annoncée n'est pas un nombre")
    if int(declared) > limit:
        raise _too_large(limit)
    return int(declared)


def _unreadable(reason: str, path: Place | None = None) -> Problem:
    detail = f"{reason[0].upper()}{reason[1:]}."
    if path is None:
        return Problem(ProblemType.UNREADABLE, detail)
    named = next((printable(step) for step in reversed(path) if isinstance(step, str)), "")
    return Problem(ProblemType.UNREADABLE, detail, errors=[FieldError(pointer(path), named, reason)])


def _too_large(limit: int) -> Problem:
    return Problem(ProblemType.TOO_LARGE, f"Un message compte au plus {limit} octets.")


def _invalid(errors: tuple[FieldError, ...]) -> Problem:
    return Problem(ProblemType.INVALID, "La demande comporte des champs à corriger.", errors=errors)
