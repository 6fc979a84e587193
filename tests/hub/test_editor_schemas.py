"""Editors complete and underline our files by schemas that say what the hub reads: no less, and hardly more."""

import json
import re
import tomllib
from datetime import timedelta

import jsonschema_rs
import pytest
import yaml
from pydantic import ValidationError
from typer.testing import CliRunner

from hub.cli_editor import editors
from hub.editor import FILES, file_of, read_schema
from hub.editor.generator import MODELS, generate, written
from hub.model import read_duration
from hub.settings import HOME
from hub.yamlfile import Plain

OURS = [(name, file) for name, pattern in FILES.items() for file in sorted(HOME.glob(pattern))]
RUN = CliRunner()

ROUTE = {"route": "a", "title": "A", "owner": "o", "steps": [{"deliver": "cible", "using": "cible/a"}]}
MAPPING = {
    "mapping": "cible/a",
    "from": "a",
    "to": "rest.a",
    "fields": {"nom": "data.nom", "adresse": {"ville": "data.ville"}},
    "examples": [{"name": "un", "given": {}, "expect": {}}],
}
MANIFEST = {
    "name": "a",
    "title": "A",
    "vendor": "v",
    "owner": "o",
    "protocol": "rest",
    "certainty": "public",
    "stage": "E",
    "policy": {"deadline": "1h30m", "hours": {"opens": "07:00", "closes": "22:00"}},
    "operations": {"deposer": {"title": "D", "effect": "once"}},
}
ERRORS = {"error": [{"code": "NON", "verdict": "refused"}]}
HUB = {"targets": {"a": {"connector": "rest", "settings": {"url": "x"}, "policy": {"concurrency": 2}}}}
SOUND = {"route": ROUTE, "mapping": MAPPING, "connector": MANIFEST, "errors": ERRORS, "hub": HUB}

WRONG = [
    ("route", ["steps", 0, "usign"], "cible/a"),
    ("route", ["steps", 0, "using"], 3),
    ("route", ["steps", 0, "id"], "Nom Propre"),
    ("route", ["steps"], []),
    ("route", ["steps", 0], {"await": "miracle", "id": "a", "stage": "s"}),
    ("route", ["clock"], {"months": -1}),
    ("mapping", ["to"], "sans_point"),
    ("mapping", ["examples"], []),
    ("mapping", ["expression"], "data"),
    ("mapping", ["fields"], "data"),
    ("connector", ["certainty"], "certain"),
    ("connector", ["policy", "deadline"], "soon"),
    ("connector", ["policy", "hours", "opens"], "dawn"),
    ("connector", ["operations", "deposer", "effect"], "twice"),
    ("connector", ["surprise"], 1),
    ("errors", ["error", 0, "verdict"], "perhaps"),
    ("errors", ["error", 0, "code"], "deux mots"),
    ("hub", ["port"], 70_000),
    ("hub", ["targets", "a", "policy", "concurrency"], 0),
    ("hub", ["targets", "a", "policy", "surprise"], 0),
]


def underlined(name, content):
    """Give what an editor would underline."""
    return [error.message for error in jsonschema_rs.Draft202012Validator(read_schema(name)).iter_errors(content)]


def content_of(file):
    text = file.read_text("utf-8")
    return tomllib.loads(text) if file.suffix == ".toml" else yaml.load(text, Loader=Plain)  # noqa: S506


def changed(content, path, value):
    """Copy a content with one member written otherwise."""
    if not path:
        return value
    copy = content.copy()
    copy[path[0]] = changed(copy[path[0]] if len(path) > 1 else None, path[1:], value)
    return copy


@pytest.mark.parametrize("name", FILES)
def test_each_schema_is_what_the_models_say_now(name):
    assert read_schema(name) == generate(name), "run: hub schema --write"


@pytest.mark.parametrize("name", FILES)
def test_each_schema_is_one(name):
    jsonschema_rs.meta.validate(read_schema(name))


def test_every_file_of_ours_is_found():
    assert {name for name, _ in OURS} == FILES.keys() - {"hub"}
    assert len(OURS) > 100


@pytest.mark.parametrize(("name", "file"), OURS, ids=[str(file.relative_to(HOME)) for _, file in OURS])
def test_nothing_is_underlined_in_our_files(name, file):
    assert underlined(name, content_of(file)) == []


@pytest.mark.parametrize("name", SOUND)
def test_what_the_hub_reads_is_not_underlined(name):
    assert MODELS[name].model_validate(SOUND[name])
    assert underlined(name, SOUND[name]) == []


@pytest.mark.parametrize(("name", "path", "value"), WRONG)
def test_what_the_hub_does_not_read_is_underlined(name, path, value):
    content = changed(SOUND[name], path, value)
    assert underlined(name, content) != []
    if "policy" not in path or name != "hub":  # a target's policy is read with its connector's
        with pytest.raises(ValidationError):
            MODELS[name].model_validate(content)


@pytest.mark.parametrize("name", ["route", "query", "connector", "errors", "hub", "mapping"])
def test_every_member_is_described(name):
    schema = read_schema(name)
    parts = [part for part in (schema, *schema["$defs"].values()) if part.get("properties")]
    assert parts
    described = [member for part in parts for member, said in part["properties"].items() if said.get("description")]
    assert len(described) > 0.6 * sum(len(part["properties"]) for part in parts)


@pytest.mark.parametrize("duration", ["500ms", "1s", "1h30m", "2d", "1d12h", "0s"])
def test_a_default_is_written_as_it_is_read(duration):
    assert written(read_duration(duration)) == duration
    assert isinstance(read_duration(duration), timedelta)


def test_our_own_editor_settings_name_every_schema():
    settings = json.loads((HOME / ".vscode/settings.json").read_text("utf-8"))
    tables = settings["yaml.schemas"], {at: glob for glob, at in settings["evenBetterToml.schema.associations"].items()}
    named = {name: pattern for table in tables for name, pattern in table.items()}
    assert {HOME / name for name in named} == {file_of(name) for name in FILES}
    assert {pattern for name, pattern in tables[0].items()} == {one for one in FILES.values() if one.endswith("yaml")}
    for name, pattern in tables[1].items():
        files = [file for sort, file in OURS if HOME / name == file_of(sort)]
        assert files
        assert all(re.search(pattern, str(file)) for file in files)


def test_the_command_line_lists_and_prints_them():
    listed = json.loads(RUN.invoke(editors, ["--json"]).stdout)
    assert [row["schema"] for row in listed] == list(FILES)
    assert json.loads(RUN.invoke(editors, ["route"]).stdout) == read_schema("route")
    assert RUN.invoke(editors, ["roote"]).exit_code == 2
