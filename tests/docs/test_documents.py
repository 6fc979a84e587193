"""What the documents say of the code is what the code says: links, commands, tables."""

import inspect
import re
import shlex
import shutil
import tomllib
from datetime import timedelta
from typing import get_args

import pytest
import typer
import yaml
from pydantic_core import PydanticUndefined
from typer.core import TyperGroup

from connectors._transport.sandbox import COMMON
from hub.calendar import Clock, Zone
from hub.catalogue import Catalogue
from hub.cli import app
from hub.functions import CLOSED_LIST
from hub.identity_settings import IdentitySettings
from hub.inquiry import Standing
from hub.lifecycle import State
from hub.manifest import ErrorRow, ErrorTable, Manifest, Operation
from hub.mapping import CompiledMapping
from hub.model import FINAL_STATUSES, Effect, Frozen, Status, read_duration
from hub.policy import Hours, Policy
from hub.privacy.classes import DataClass
from hub.privacy.terms import Privacy, Retention
from hub.problems import ProblemType
from hub.query import QueryFile
from hub.routing import (
    WORDS,
    Await,
    AwaitDate,
    AwaitEvent,
    Branch,
    Deliver,
    Document,
    Enrich,
    Notify,
    Refuse,
    Route,
    RouteFile,
)
from hub.settings import HOME, Bucket, FrontEnd, Settings, TargetSettings
from hub.settings_door import Client, Limits, Tls, Tokens

HUB = typer.main.get_command(app)
CATALOGUE = Catalogue.read(HOME)
AWAITED = [f"await: {get_args(model.model_fields['wait'].annotation)[0]}" for model in (Await, AwaitEvent, AwaitDate)]
STEPS = (Deliver, Enrich, Document, Notify, Await, AwaitEvent, AwaitDate, Branch, Refuse)
USAGE_ERROR = typer.BadParameter.__base__


def test_every_link_leads_to_something(documents):
    for document in documents:
        for link in document.links():
            path, _, anchor = link.partition("#")
            if "://" in link:
                continue
            target = document.path.parent / path if path else document.path
            assert target.exists(), f"{document.path.name}: {link}"
            if anchor:
                titles = re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.MULTILINE)
                assert anchor in [title.lower().replace(" ", "-") for title in titles], link


SAMPLE = r"routes/\w+/samples/\w+[.]json"
"""A sample, which may be one that `hub new kind` writes."""


@pytest.fixture
def here(documents, monkeypatch, tmp_path):
    """A folder with every file that a command may name."""
    shutil.copytree(HOME / "routes", tmp_path / "routes")
    samples = {name for document in documents for name in re.findall(SAMPLE, document.path.read_text("utf-8"))}
    for name in ("data.json", *samples, *(name for document in documents for name in document.files())):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("here")
def test_every_command_shown_exists_with_those_options(documents):
    shown = {command for document in documents for command in document.commands()}
    assert len(shown) > 20
    for command in shown:
        parse(command)


def parse(command):
    """Parse a command as the command line would, and run nothing; a verb or group named in passing needs none."""
    words, verb, context = shlex.split(command.partition(" < ")[0]), HUB, HUB.context_class(HUB)
    while isinstance(verb, TyperGroup) and words and not words[0].startswith("-"):
        _, verb, words = verb.resolve_command(context, words)
    if words or not (isinstance(verb, TyperGroup) or any(parameter.required for parameter in verb.params)):
        verb.make_context(command, words, parent=context)


@pytest.mark.parametrize(
    "wrong", ["shwo 100000000", "show 100000000 --colour", "decide 100000000", "keys make portail"]
)
def test_a_command_that_does_not_exist_would_be_found(wrong):
    with pytest.raises(USAGE_ERROR):
        parse(wrong)


def test_the_table_of_functions_is_the_closed_list(document):
    expected = [
        [f"`${name}({', '.join(inspect.signature(body).parameters)})`", inspect.getdoc(body).splitlines()[0]]
        for name, (_, body) in CLOSED_LIST.items()
    ]
    assert document("docs/reference.md").table("function") == expected


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("setting", Settings),
        ("of a bucket", Bucket),
        ("of an identity provider", IdentitySettings),
        ("of a target", TargetSettings),
        ("of a front end", FrontEnd),
        ("of tls", Tls),
        ("of tokens", Tokens),
        ("of a client", Client),
        ("of limits", Limits),
        ("policy", Policy),
        ("of hours", Hours),
        ("manifest", Manifest),
        ("of an operation", Operation),
        ("error", ErrorRow),
        ("route", RouteFile),
        ("of a clock", Clock),
        ("query", QueryFile),
    ],
)
def test_each_table_of_settings_has_the_fields_and_defaults_of_its_model(document, heading, model):
    rows = {name.strip("`"): default.strip("`") for name, default, _ in document("docs/reference.md").table(heading)}
    assert list(rows) == list(model.model_fields)
    for name, field in model.model_fields.items():
        assert read(rows[name], field) == default_of(field), name


@pytest.mark.parametrize(("heading", "model"), [("of retention", Retention), ("of a kind's privacy", Privacy)])
def test_each_term_of_personal_data_is_explained(document, heading, model):
    assert [row[0].strip("`") for row in document("docs/reference.md").table(heading)] == list(model.model_fields)


def test_each_class_of_personal_data_is_explained(document):
    assert [row[0].strip("`") for row in document("docs/reference.md").table("class")] == list(DataClass)


def default_of(field):
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined or isinstance(value, int | float | timedelta):
        return value
    if isinstance(value, tuple):
        return ", ".join(value)
    return "" if value in (None, {}) or isinstance(value, Frozen) else str(value)


def read(shown, field):
    """Read a default as the table writes it."""
    if shown == "required":
        return PydanticUndefined
    if field.annotation is bool:
        return {"yes": True, "no": False}[shown]
    if isinstance(field.default, timedelta):
        return read_duration(shown)
    return field.annotation(shown) if field.annotation is int else shown.replace("none", "")


def test_the_faults_of_http_are_those_of_the_sandboxes(document):
    expected = [
        [f"`{name}`", fault.title, str(fault.verdict), "yes" if fault.taken else "no"] for name, fault in COMMON.items()
    ]
    assert document("docs/reference.md").table("fault") == expected


def test_every_state_of_a_delivery_says_what_it_asks(document):
    assert sorted(row[0].strip("`") for row in document("docs/operators.md").table("state")) == sorted(State)


def test_every_status_says_whether_it_is_final(document):
    shown = {row[0].strip("`"): row[1] for row in document("docs/front-ends.md").table("status", "final")}
    assert shown == {status: "yes" if status in FINAL_STATUSES else "no" for status in Status}


def test_every_effect_is_explained(document):
    assert [row[0].strip("`") for row in document("docs/integrators.md").table("effect")] == list(Effect)


def test_every_word_of_a_route_is_explained(document):
    rows = [row[0].strip("`") for row in document("docs/integrators.md").table("word")]
    shown = [row if row.startswith("await") else row.split(":")[0] for row in rows]
    assert sorted(shown) == sorted((*WORDS, *AWAITED, "for_each", "id"))


def test_every_member_of_a_step_is_explained(document):
    shown = [row[0].strip("`") for row in document("docs/reference.md").table("of a step")]
    members = {name for model in STEPS for name in model.model_fields} - {*WORDS, "wait"}
    assert sorted(shown) == sorted(members)


def test_every_example_of_a_step_can_be_read(document):
    guide = document("docs/integrators.md")
    said = {"route": "exemple", "title": "Exemple", "owner": "direction", **yaml.safe_load(guide.block("clock"))}
    examples = [{**said, "steps": yaml.safe_load(text)} for text in guide.texts("steps")]
    routes = [Route(RouteFile.model_validate(example)) for example in examples]
    shown = {type(step) for route in routes for step in route.named.values()}
    assert shown == set(STEPS) - {Branch, Refuse}


def test_every_mapping_that_is_shown_keeps_its_promises(document):
    for text in document("docs/integrators.md").texts("mapping"):
        mapping = CompiledMapping.read("integrators.md", text)
        for example in mapping.examples:
            assert mapping.apply(example.given, example.bindings) == example.expect


def test_all_settings_that_are_shown_are_settings(document):
    for text in document("docs/integrators.md").texts("settings"):
        assert Settings.model_validate(yaml.safe_load(text)) != Settings()


def test_the_operation_that_is_shown_is_one(document):
    for operation in tomllib.loads(document("docs/connectors.md").block("operation"))["operations"].values():
        assert Operation.model_validate(operation).effect is Effect.SAFE


def test_every_zone_of_public_holidays_is_named(document):
    [paragraph] = [text for text in document("docs/reference.md").prose.split("\n\n") if text.startswith("Zones of")]
    assert re.findall(r"`(\w+)`", paragraph) == list(Zone)


def test_every_connector_and_operation_is_in_the_readme_as_its_manifest_says(document):
    rows = document("README.md").table("connector", "system")
    names = [re.match(r"\[`(\w+)`\]\(connectors/(\w+)/README.md\)", row[0]).groups() for row in rows]
    assert names == [(name, name) for name in CATALOGUE.manifests]
    for row, manifest in zip(rows, CATALOGUE.manifests.values(), strict=True):
        _, _, protocol, contract, operations, tested = row
        assert (protocol, contract) == (manifest.protocol, manifest.certainty), manifest.name
        shown = [
            (name, effect)
            for effect, listed in re.findall(r"`(\w+)`: ([\w, ]+)", operations)
            for name in listed.split(", ")
        ]
        assert sorted(shown) == sorted((name, one.effect) for name, one in manifest.operations.items()), manifest.name
        assert tested


def test_every_kind_and_question_is_in_the_readme(document):
    readme = document("README.md")
    kinds = [[kind, title, set(goes.split(", "))] for kind, title, goes in readme.table("kind")]
    assert kinds == [
        [f"`{kind}`", one.route.title, {f"`{step.target}`" for step in one.route.carried}]
        for kind, one in sorted(CATALOGUE.kinds.items())
    ]
    assert readme.table("question") == [
        [f"`{name}`", one.said.title, f"`{one.said.target}`"] for name, one in sorted(CATALOGUE.queries.items())
    ]


def test_every_outcome_of_a_question_is_explained(document):
    rows = document("docs/front-ends.md").table("status", "there is an answer")
    assert [row[0].strip("`") for row in rows] == list(Standing)


def test_every_problem_that_is_listed_exists_with_its_status(document):
    known = {(str(kind.status), f"`{kind.slug}`") for kind in ProblemType}
    shown = {(status, slug) for status, slug, *_ in document("docs/front-ends.md").table("status", "type")}
    assert shown <= known


def test_every_code_that_is_listed_is_one_the_hub_gives(document):
    sources = "\n".join(
        file.read_text("utf-8") for part in ("hub", "connectors") for file in (HOME / part).rglob("*.py")
    )
    for row in document("docs/operators.md").table("code"):
        for code in re.findall(r"`(\w+)`", row[0]):
            assert f'"{code}"' in sources, code


def test_the_errors_table_that_is_shown_can_be_read(document):
    table = ErrorTable.model_validate(tomllib.loads(document("docs/connectors.md").block("errors.toml")))
    assert table.failure("Une pièce justificative est manquante").code == "DOSSIER_INCOMPLET"
