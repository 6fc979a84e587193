"""Reading a contract into drafts, by what it is written in: WSDL, XSD, OpenAPI, GraphQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from hub.contracts.graphql import GraphqlOperation, operations_of_graphql
from hub.contracts.openapi import HttpOperation, read_openapi, snake
from hub.contracts.xml_documents import XS, read_xml
from hub.contracts.xml_schema import WSDL, WsdlOperation, elements_of_schema, operations_of_wsdl, schema_of_element
from hub.errors import ConfigurationError
from hub.scaffold.draft import Draft, Drafts, UnusableError, call, collected, exchange_of, reference_in, unwrapped

EXPECTED: Final = "a WSDL 1.1, an XSD, an OpenAPI 3.0 or 3.1 document (JSON or YAML), or a GraphQL schema (SDL)"
GRAPHQL: Final = re.compile(r"^\s*(extend\s+)?(type\s+(Query|Mutation)\b|schema\s*(@\w+\s*)*\{)", re.MULTILINE)
NOT_OURS: Final = frozenset({401, 403, 408, 429})
"""Statuses that say nothing of the message, or that HTTP itself has a meaning for."""
ANSWERS: Final = re.compile(r"(.+?)_?(Response|Reponse|Result|Resultat|Answer)|(?:Response|Reponse)_?(.+)")


def read_drafts(file: Path) -> Drafts:
    """Read a contract, told by what it holds; raises ConfigurationError for any other file."""
    try:
        text = file.read_text("utf-8-sig", errors="replace").lstrip()
    except OSError as error:
        raise ConfigurationError(file, f"{EXPECTED}: {error.strerror}") from None
    if text.startswith("<"):
        return _of_xml(file)
    if GRAPHQL.search(text):
        return _of_graphql(file)
    if re.search(r"^\s*[{,]?\s*[\"']?(openapi|swagger)[\"']?\s*:", text, re.MULTILINE):
        return _of_openapi(file)
    raise ConfigurationError(file, f"{EXPECTED}: this is none of them")


def _of_xml(file: Path) -> Drafts:
    root = read_xml(file).tag
    if root == f"{{{WSDL}}}definitions":
        return _of_wsdl(file)
    if root == f"{{{XS}}}schema":
        return _of_xsd(file)
    raise ConfigurationError(file, f"{EXPECTED}: its root is {root}")


def _drafted(listed: Iterable[tuple[str, Any]], make: Callable[[Any], Draft]) -> dict[str, Any]:
    """Draft each operation, and tell those apart that cannot be."""
    drafts: dict[str, Draft] = {}
    left_out: list[tuple[str, str]] = []
    for name, one in listed:
        try:
            draft = make(one)
        except UnusableError as reason:
            left_out.append((name, str(reason)))
            continue
        if draft.name in drafts:
            left_out.append((name, f"{draft.name} is the name of another operation already"))
        drafts.setdefault(draft.name, draft)
    return {"operations": tuple(drafts.values()), "left_out": tuple(left_out)}


def _of_openapi(file: Path) -> Drafts:
    api = read_openapi(file)
    main = f"openapi{file.suffix if file.suffix in {'.json', '.yaml', '.yml'} else '.yaml'}"
    drafted = _drafted(((one.name, one) for one in api.operations), _draft_http)
    return Drafts(
        "json", main, {main: file.read_bytes()}, **drafted, title=api.title, address=api.address, api_key=api.api_key
    )


def _draft_http(one: HttpOperation) -> Draft:
    if one.reason:
        raise UnusableError(one.reason)
    is_safe = one.method == "GET"
    if is_safe and one.output is None:
        raise UnusableError("a question that is not answered in JSON")
    asked, answered = exchange_of(one.input, one.output)
    refusals = {f"http_{status}": said for status, said in one.refusals.items() if status not in NOT_OURS}
    written = call(
        "Call", one.method, one.path, query=one.query, headers=one.headers, body=one.body,
        accepted=one.accepted if one.accepted != (200, 201) else (),
        reference="" if is_safe else reference_in(one.output),
    )  # fmt: skip
    return Draft(
        one.name, one.title, one.input, one.output, asked, unwrapped(one.output, answered), written, is_safe,
        status=one.accepted[0], refusals=refusals,
    )  # fmt: skip


def _of_graphql(file: Path) -> Drafts:
    drafted = _drafted(((one.name, one) for one in operations_of_graphql(file)), _draft_graphql)
    return Drafts("graphql", "schema.graphql", {"schema.graphql": file.read_bytes()}, **drafted)


def _draft_graphql(one: GraphqlOperation) -> Draft:
    asked, answered = exchange_of(one.input, one.output)
    reference = "" if one.is_query else reference_in(one.output)
    return Draft(
        one.name, one.title, one.input, one.output, asked, unwrapped(one.output, answered),
        call("Ask", one.field, reference=reference), one.is_query,
        refusals={"BAD_USER_INPUT": "A value of the message is not one that it takes."},
        document=one.document,
    )  # fmt: skip


def _of_wsdl(file: Path) -> Drafts:
    operations = operations_of_wsdl(file)
    if 'schemas.xmlsoap.org/wsdl/soap/"' not in file.read_text("utf-8", errors="replace"):
        raise ConfigurationError(file, "has no SOAP 1.1 binding, which is what connectors speak")
    main = file.resolve().name
    drafted = _drafted(((one.name, one) for one in operations), _draft_soap)
    return Drafts("soap", main, collected(file), **drafted, address=operations[0].address if operations else "")


def _draft_soap(one: WsdlOperation) -> Draft:
    if one.style != "document":
        raise UnusableError(f"its style is {one.style}, and connectors speak document/literal")
    if one.output is None:
        raise UnusableError("it answers nothing: nobody would know whether it was taken")
    taken = one.input or {"type": "object", "properties": {}, "additionalProperties": False}
    if any(_repeats(schema) for schema in (taken, one.output)):
        raise UnusableError("a group of its elements repeats as a whole")
    if one.output.get("type") != "object":
        raise UnusableError("its answer is no structure of elements")
    asked, answered = exchange_of(taken, one.output)
    reference = reference_in(one.output)
    refusals = {fault.element or fault.name: f"The fault {fault.name} of the contract." for fault in one.faults}
    title = one.documentation.partition(". ")[0] or one.name
    return Draft(
        snake(one.name), title, taken, one.output, asked, answered,
        call("Call", one.name, reference=reference), refusals=refusals,
    )  # fmt: skip


def _repeats(schema: Any) -> bool:
    match schema:
        case dict():
            rounds = [one for name, one in schema.items() if name.startswith("_value_") and isinstance(one, dict)]
            return any(one.get("type") == "array" for one in rounds) or any(map(_repeats, schema.values()))
        case list():
            return any(map(_repeats, schema))
    return False


def _of_xsd(file: Path) -> Drafts:
    elements = elements_of_schema(file)
    answers = dict(_answers(elements))
    within = {node.get("ref", "").rpartition(":")[2] for node in read_xml(file).iter(f"{{{XS}}}element")}
    asked = [name for name in elements if name not in within and name not in answers.values()]
    drafted = _drafted(((name, name) for name in asked), lambda name: _draft_xml(file, name, answers.get(name, "")))
    return Drafts("xml", file.resolve().name, collected(file), **drafted)


def _answers(elements: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Give the elements that another answers, by its name: `Depot` by `DepotReponse`."""
    for name in elements:
        if (found := ANSWERS.fullmatch(name)) and (asked := found[1] or found[3]) in elements:
            yield asked, name


def _draft_xml(file: Path, element: str, answer: str) -> Draft:
    taken: Mapping[str, Any] = schema_of_element(file, element)
    given = schema_of_element(file, answer) if answer else None
    if taken.get("type") != "object" or (given is not None and given.get("type") != "object"):
        raise UnusableError("it is no structure of elements")
    if _repeats(taken) or _repeats(given):
        raise UnusableError("a group of its elements repeats as a whole")
    asked, answered = exchange_of(taken, given)
    return Draft(
        snake(element), str(taken.get("description") or element), taken, given, asked, answered,
        call("Document", element, answer=answer, reference=reference_in(given)),
        refusals={"http_422": "The document holds a value that the target cannot take."},
    )  # fmt: skip
