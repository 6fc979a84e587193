"""OpenAPI 3.0 and 3.1 → JSON Schema: what each operation takes, what it answers, how it is called.

An operation without parameters takes its body as it is; any other takes its parameters by their names, and its body,
if it has one, as `body`. An answer that is no object is given as `value`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import yaml

from hub.contracts.openapi_schemas import Schemas
from hub.errors import ConfigurationError
from hub.yamlfile import Plain

METHODS: Final = ("get", "put", "post", "delete", "patch")
PLACES: Final = ("path", "query", "header")
IMPLIED: Final = frozenset({"accept", "authorization", "content-type", "idempotency-key"})
"""Headers that OpenAPI itself says are not parameters, and the one that bears our key."""

JSON: Final = re.compile(r"application/([\w.-]+\+)?json(;.*)?")
SCALARS: Final = frozenset({"string", "integer", "number", "boolean"})
WHOLE: Final = "*"
MEMBER: Final = "body"
"""Where a body stands in the message: it is the message, or it is its member `body`."""


class InexpressibleError(Exception):
    """An operation that the hub has no way to say: why, for who may change the contract or write it by hand."""


@dataclass(frozen=True, slots=True)
class HttpOperation:
    """One operation: how it is called, what it takes (`input`) and answers (`output`, None where it says nothing).

    `refusals`: the statuses by which it says no, and what each means. `reason`: why it cannot be expressed, if it
    cannot.
    """

    name: str
    title: str
    method: str
    path: str
    query: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    body: str = ""
    input: dict[str, Any] = field(default_factory=dict)
    output: dict[str, Any] | None = None
    accepted: tuple[int, ...] = (200,)
    refusals: Mapping[int, str] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True, slots=True)
class HttpApi:
    """What an OpenAPI document describes: `api_key` names the header that proves who calls, if it is one."""

    title: str
    version: str
    address: str
    api_key: str
    operations: tuple[HttpOperation, ...]


def read_openapi(file: Path) -> HttpApi:
    """Read a document, in JSON or YAML; raises ConfigurationError naming the file and the place in it."""
    return _Document(file, load(file)).api()


def schema_of_operation(file: Path, operation: str) -> dict[str, Any]:
    """Give the JSON Schema of what an operation takes, by its name or its operationId; raises ConfigurationError."""
    known = {one.name: one for one in read_openapi(file).operations}
    found = known.get(snake(operation))
    if found is None:
        raise ConfigurationError(file, f"no operation is called {operation!r}; there are: {', '.join(known)}")
    if found.reason:
        raise ConfigurationError(file, f"{operation}: {found.reason}")
    return found.input


def load(file: Path) -> dict[str, Any]:
    """Load a document; raises ConfigurationError where it is not one of OpenAPI 3.0 or 3.1."""
    try:
        said = yaml.load(file.read_text("utf-8"), Loader=Plain)  # noqa: S506  # a safe loader, with less in it
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(file, f"a file that can be read: {error}") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ConfigurationError(file, error.problem or "JSON or YAML", line) from None
    if not isinstance(said, dict) or not re.match(r"3\.[01](\.|$)", str(said.get("openapi", ""))):
        version = said.get("openapi") or said.get("swagger") if isinstance(said, dict) else None
        raise ConfigurationError(file, f"openapi: expected 3.0 or 3.1, not {version}")
    return said


class _Document:
    def __init__(self, file: Path, said: dict[str, Any]) -> None:
        self._file, self._said = file, said
        self._schemas = Schemas(file, said)

    def api(self) -> HttpApi:
        said = self._said.get("info") or {}
        servers = self._said.get("servers") or [{}]
        operations = tuple(_named_apart(self._operations()))
        if not operations:
            raise ConfigurationError(self._file, "paths: an operation at least")
        return HttpApi(
            str(said.get("title", "")), str(said.get("version", "")), str(servers[0].get("url", "")),
            self._api_key(), operations,
        )  # fmt: skip

    def _api_key(self) -> str:
        schemes = (self._said.get("components") or {}).get("securitySchemes") or {}
        for scheme in map(self._open, schemes.values()):
            if scheme.get("type") == "apiKey" and scheme.get("in") == "header":
                return str(scheme.get("name"))
        return ""

    def _open(self, node: Any) -> dict[str, Any]:
        """Follow a reference to a parameter, a body or an answer."""
        seen = 0
        while isinstance(node, dict) and "$ref" in node and seen < 20:
            node, seen = self._schemas.at(node["$ref"]), seen + 1
        return node if isinstance(node, dict) else {}

    def _operations(self) -> Iterator[HttpOperation]:
        for path, item in (self._said.get("paths") or {}).items():
            shared = self._open(item)
            for method in METHODS:
                if method in shared:
                    yield self._operation(path, method, shared, shared[method])

    def _operation(self, path: str, method: str, shared: Mapping[str, Any], said: Mapping[str, Any]) -> HttpOperation:
        name = snake(said.get("operationId") or f"{method}_{path}")
        title = str(said.get("summary") or said.get("description") or name).strip().splitlines()[0]
        known = HttpOperation(name, title, method.upper(), path)
        try:
            return self._expressed(known, [*shared.get("parameters", ()), *said.get("parameters", ())], said)
        except InexpressibleError as reason:
            return HttpOperation(name, title, method.upper(), path, reason=str(reason))

    def _expressed(self, known: HttpOperation, listed: list[Any], said: Mapping[str, Any]) -> HttpOperation:
        parameters = {(one.get("in"), one.get("name")): one for one in map(self._open, listed)}
        taken = [one for one in parameters.values() if self._is_taken(one)]
        required, content = self._body(said)
        if content is not None and not taken and self._schemas.is_object(content):
            placed, message = WHOLE, content
        else:
            placed, within = ("", {}) if content is None else (MEMBER, {MEMBER: content})
            message = _members(taken, within, body_required=required)
        answers = {str(status): self._open(one) for status, one in (said.get("responses") or {}).items()}
        accepted = tuple(int(status) for status in answers if re.fullmatch(r"2\d\d", status)) or (200, 201, 204)
        return HttpOperation(
            known.name, known.title, known.method, known.path,
            query=tuple(one["name"] for one in taken if one["in"] == "query"),
            headers=tuple(one["name"] for one in taken if one["in"] == "header"),
            body=placed,
            input=self._schemas.whole(message, asked=True),
            output=self._answer(answers),
            accepted=accepted,
            refusals=_refusals(answers),
        )  # fmt: skip

    def _is_taken(self, parameter: Mapping[str, Any]) -> bool:
        """Tell whether a parameter is part of a message; raises InexpressibleError for one that must and cannot be."""
        name, place = str(parameter.get("name")), parameter.get("in")
        if place == "header" and name.lower() in IMPLIED:
            return False
        sort = self._schemas.sort_of(parameter.get("schema") or {})
        items = self._schemas.sort_of((self._schemas.opened(parameter.get("schema") or {})).get("items") or {})
        if place in PLACES and (sort in SCALARS or (place == "query" and sort == "array" and items in SCALARS)):
            return True
        if parameter.get("required"):
            raise InexpressibleError(f"the parameter {name} ({place}) is no text or number of a path, query or header")
        return False

    def _body(self, said: Mapping[str, Any]) -> tuple[bool, dict[str, Any] | None]:
        body = self._open(said.get("requestBody") or {})
        if not body:
            return False, None
        content = next((one for name, one in (body.get("content") or {}).items() if JSON.fullmatch(name)), None)
        if content is None:
            raise InexpressibleError(f"it takes {', '.join(body.get('content') or ()) or 'nothing known'}, not JSON")
        return bool(body.get("required")), content.get("schema") or {}

    def _answer(self, answers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
        """Give the schema of the first success that has one in JSON."""
        said = [one for status, one in answers.items() if status.startswith("2")] or [answers.get("default") or {}]
        for answer in said:
            for name, content in (answer.get("content") or {}).items():
                if JSON.fullmatch(name) and content.get("schema"):
                    return self._wrapped(content["schema"])
        return None

    def _wrapped(self, schema: dict[str, Any]) -> dict[str, Any]:
        if self._schemas.is_object(schema):
            return self._schemas.whole(schema, asked=False)
        around = {"type": "object", "required": ["value"], "properties": {"value": schema}}
        return self._schemas.whole(around, asked=False)


def _members(taken: list[dict[str, Any]], more: dict[str, Any], *, body_required: bool) -> dict[str, Any]:
    names = [one["name"] for one in taken] + list(more)
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InexpressibleError(f"two of its parameters are called {twice[0]}")
    properties = {one["name"]: _described(one) for one in taken} | more
    required = [one["name"] for one in taken if one.get("required") or one["in"] == "path"]
    required += list(more) if body_required else []
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _described(parameter: Mapping[str, Any]) -> dict[str, Any]:
    schema = dict(parameter.get("schema") or {})
    said = {name: parameter[name] for name in ("description", "example") if name in parameter and "$ref" not in schema}
    return {**said, **schema}


def _refusals(answers: Mapping[str, Mapping[str, Any]]) -> dict[int, str]:
    declared = [(int(status), one) for status, one in answers.items() if re.fullmatch(r"4\d\d", status)]
    return {status: str(one.get("description") or "").strip() for status, one in declared}


def _named_apart(operations: Iterator[HttpOperation]) -> Iterator[HttpOperation]:
    """Give each operation a name of its own."""
    names: set[str] = set()
    for one in operations:
        name, number = one.name, 1
        while name in names:
            number += 1
            name = f"{one.name}_{number}"
        names.add(name)
        yield one if name == one.name else HttpOperation(**{**_fields(one), "name": name})


def _fields(one: HttpOperation) -> dict[str, Any]:
    return {name: getattr(one, name) for name in HttpOperation.__dataclass_fields__}


def snake(said: str) -> str:
    """Write a name as operations are named: `creerDemande` → `creer_demande`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", unquote(said))
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_") or "operation"
