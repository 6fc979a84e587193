"""A connector to begin with: a folder that passes the exam, from a contract or from a plain one of its own."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from hub.errors import ConfigurationError
from hub.packages import NAME, OURS, find_packages
from hub.scaffold.draft import Draft, Drafts, literal
from hub.scaffold.reading import read_drafts
from hub.scaffold.sheets import as_json, imports, sheet
from hub.scaffold.skeleton import Wanted, write_skeleton

PLAIN: Final = Path(__file__).parent / "plain.yaml"
"""The contract of a connector for which none is given."""

ANY: Final = "*"
STAGE: Final = "Erreur lors de l'intégration de la demande"


@dataclass(frozen=True, slots=True)
class Sort:
    """How a sort of target is written: the shared module that speaks to it, its classes, and its table of calls."""

    protocol: str
    module: str
    api: str
    call: str
    table: str
    sandbox: str
    document: str = ""
    """What the contract's main file is called by the sandbox; "" when it needs none."""


SORTS: Final[Mapping[str, Sort]] = {
    "json": Sort("rest", "json_api", "JsonApi", "Call", "CALLS", "JsonSandbox"),
    "soap": Sort("soap", "soap_api", "SoapApi", "Call", "CALLS", "SoapSandbox", "wsdl"),
    "graphql": Sort("graphql", "graphql_api", "GraphqlApi", "Ask", "ASKS", "GraphqlSandbox", "schema"),
    "xml": Sort("xml", "xml_api", "XmlApi", "Document", "DOCUMENTS", "XmlSandbox", "xsd"),
}

ROWS: Final[Mapping[str, tuple[tuple[str, str, str], ...]]] = {
    "json": (),
    "soap": (("Client", "refused", "It blames the message, and says no more: see the exchange."),),
    "graphql": (
        ("GRAPHQL_VALIDATION_FAILED", "refused", "Its schema is another one now: nothing was begun."),
        (
            "UNAUTHENTICATED",
            "transient",
            "It does not recognise the hub's credentials: what waits then leaves by itself.",
        ),
        ("FORBIDDEN", "refused", "The hub's account may not do this."),
        ("INTERNAL_SERVER_ERROR", "uncertain", "It failed on the way: nobody knows how far it came."),
    ),
    "xml": (),
}
"""What each sort of target may say, whatever its contract: code, verdict, hint."""

EVERY: Final = (
    ("message_invalid", "refused", "It breaks the contract where the exchange says, and was not sent."),
    ("http_401", "transient", "It does not recognise the hub's credentials: what waits then leaves by itself."),
    ("http_403", "refused", "The hub's account may not do this."),
)


@dataclass(frozen=True)
class Place:
    """Where a connector is written: `module` is its package, the others are folders and files below the root."""

    name: str
    module: str
    folder: str
    mappings: str
    test: str


def place_in_home(name: str) -> Place:
    """Place a connector in a home's folders."""
    return Place(name, f"{OURS}.{name}", f"{OURS}/{name}", f"mappings/{name}", f"tests/{OURS}/test_{name}.py")


def place_in_package(name: str) -> Place:
    """Place a connector in a package of its own, to be installed beside the hub."""
    package = f"hub_{name}"
    root = f"hub-{name.replace('_', '-')}"
    return Place(
        name, f"{package}.{name}", f"{root}/{package}/{name}", f"{root}/{package}/mappings/{name}",
        f"{root}/tests/test_{name}.py",
    )  # fmt: skip


def check_name(name: str, homes: tuple[Path, ...]) -> None:
    """Refuse a name that no connector may have, or that one has; raises ConfigurationError."""
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise ConfigurationError(name, "a connector's name: lower case letters, digits and underscores, a letter first")
    if taken := find_packages(*homes).get(name):
        raise ConfigurationError(taken.folder, f"a connector is called {name!r} already: choose another name")


def connector_files(
    place: Place, contract: Path | None, ours: frozenset[str], *, packaged: bool = False
) -> tuple[Drafts, dict[str, Any]]:
    """Give what a contract was read as, and all files of its connector; raises ConfigurationError.

    `ours`: the packages of the project that it is written into, which its linter knows from others'.
    """
    drafts = read_drafts(contract or PLAIN)
    sort, folder = SORTS[drafts.sort], place.folder
    known = {
        "place": place,
        "name": place.name,
        "named": class_name(place.name),
        "title": spoken(drafts.title) or place.name.replace("_", " ").capitalize(),
        "drafts": drafts,
        "sort": sort,
        "stage": STAGE,
        "source": contract.name if contract else "",
        "rows": rows_of(drafts),
        "imports": partial(imports, ours),
        "literal": literal,
    }
    files: dict[str, Any] = {
        f"{folder}/{name}": sheet(name, **known)
        for name in (
            "__init__.py", "connector.toml", "errors.toml", "client.py", "wire.py", "sandbox.py", "README.md",
        )
    }  # fmt: skip
    files |= {f"{folder}/contract/{name}": said for name, said in drafts.originals.items()}
    for one in drafts.operations:
        files |= {f"{folder}/contract/{name}": said for name, said in contract_files(one).items()}
        files[f"{place.mappings}/{one.name}.yaml"] = skeleton_of(place.name, one)
    files[f"{folder}/contract/exchanges.json"] = as_json({one.name: one.exchange for one in drafts.operations})
    files[place.test] = sheet("test.py", **known)
    if packaged:
        root = Path(place.folder).parents[1]
        files[f"{root}/pyproject.toml"] = sheet("pyproject.toml", **known)
        files[f"{Path(place.folder).parent}/__init__.py"] = f'"""{known["title"]}, for the hub."""\n'
    return drafts, files


def contract_files(one: Draft) -> dict[str, str]:
    """Give the schemas of an operation, and its document if it is asked by one."""
    files = {f"{one.name}.json": as_json(titled(one.input, one.title))}
    files |= {f"{one.name}_reponse.json": as_json(titled(one.output, one.title))} if one.output is not None else {}
    return files | ({f"{one.name}.graphql": one.document} if one.document else {})


def titled(schema: Mapping[str, Any], title: str) -> dict[str, Any]:
    """Say of which JSON Schema a schema is, and of what."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, **schema}


def skeleton_of(connector: str, one: Draft) -> str:
    """Write the mapping that shows an operation's elements, from no kind yet."""
    return write_skeleton(Wanted(f"{connector}/{one.name}", f"{connector}.{one.name}", ANY, one.input))


def rows_of(drafts: Drafts) -> list[tuple[str, str, str]]:
    """Give the rows of an errors table: what any target says, then what the contract declares."""
    declared = {code: said for one in drafts.operations for code, said in one.refusals.items()}
    rows = {code: (code, verdict, hint) for code, verdict, hint in (*EVERY, *ROWS[drafts.sort])}
    for code, said in declared.items():
        if re.fullmatch(r"[A-Za-z0-9_.-]{1,60}", code):
            rows.setdefault(code, (code, "refused", said or "Declared by the contract, which says no more."))
    return list(rows.values())


def spoken(title: str) -> str:
    """Write a title as docstrings and tables can hold it."""
    return " ".join(re.sub(r"[\"\\\\|]", "", title).split())[:60].strip().rstrip(".")


def class_name(name: str) -> str:
    """Name a connector's class: `guichet_unique` → `GuichetUnique`."""
    return "".join(part.capitalize() for part in name.split("_"))
