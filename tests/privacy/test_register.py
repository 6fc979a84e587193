"""The register says who receives which field, as routes, mappings and settings have it, in a page and in a sheet."""

import csv
import io
import json

import pytest
from lxml import html
from typer.testing import CliRunner

from hub.catalogue import Catalogue
from hub.cli_gdpr import gdpr
from hub.privacy.classes import DataClass
from hub.privacy.register import EVERY_FILE, MADE_FILES, register
from hub.privacy.register_forms import NOT_KEPT, as_csv, as_html, as_json, kept
from hub.settings import HOME, Settings

CATALOGUE = Catalogue.read(HOME)
SETTINGS = Settings.model_validate(
    {
        "targets": {
            "technocarte": {"connector": "technocarte", "settings": {"url": "https://enfance.ville.example/ws"}},
            "technocarte_nord": {"connector": "technocarte", "settings": {"url": "https://nord.ville.example/ws"}},
            "gru": {"connector": "gru", "settings": {"url": "https://gru.ville.example"}},
        },
        "sites": {"nord": {"technocarte": "technocarte_nord"}},
        "front_ends": {"portail": {"callback": "gru"}},
    }
)


@pytest.fixture(scope="module")
def entries():
    """The register of this repository's kinds."""
    return {entry.name: entry for entry in register(CATALOGUE, SETTINGS)}


def recipient(entry, step, target=None):
    return next(one for one in entry.recipients if one.step == step and target in {None, one.target})


def test_every_kind_and_every_query_is_in_it(entries):
    assert entries.keys() == CATALOGUE.kinds.keys() | CATALOGUE.queries.keys()


def test_what_a_list_is_read_for_is_received_field_by_field(entries):
    one = recipient(entries["restauration.inscription"], "technocarte", "technocarte")
    names = {field.name: field.data_class for field in one.fields}
    assert names["data.enfants.nom"] is DataClass.MINOR
    assert names["data.enfants.sante.precisions"] is DataClass.HEALTH
    assert "data.responsables.nom" not in names
    assert one.hosts == ("enfance.ville.example",)
    assert one.files == ""


def test_a_site_s_own_target_is_a_recipient_too(entries):
    assert recipient(entries["restauration.inscription"], "technocarte", "technocarte_nord").hosts == (
        "nord.ville.example",
    )


def test_the_files_that_go_with_a_message_are_said(entries):
    assert recipient(entries["restauration.inscription"], "famille").files == MADE_FILES
    assert recipient(entries["saisine"], "courriel").files == EVERY_FILE


def test_a_long_mapping_is_read_element_by_element(entries):
    names = {field.name for field in recipient(entries["saisine"], "accuse_reception").fields}
    assert "data.objet" in names
    assert "data.message" not in names


def test_what_earlier_steps_were_answered_is_said(entries):
    assert "geocodage.label" in recipient(entries["doleance"], "sig").answers


def test_front_ends_that_are_called_back_are_recipients(entries):
    called = recipient(entries["saisine"], "callback (portail)")
    assert (called.target, [field.name for field in called.fields]) == ("gru", ["external_reference"])


def test_a_query_says_that_nothing_of_it_is_kept(entries):
    asked = entries["famille.quotient"]
    assert kept(asked) == NOT_KEPT
    assert DataClass.IDENTITY in {field.data_class for field in asked.recipients[0].fields}


def test_a_kind_says_how_long_it_is_kept_and_what_goes_sooner(entries):
    said = kept(entries["restauration.inscription"])
    assert "400 jours après la fin" in said
    assert "santé et régime alimentaire : 30 jours" in said


def test_a_field_that_reads_as_unclassed_is_named():
    listed = {one["name"]: one["unclassed"] for one in as_json(register(CATALOGUE, SETTINGS))}
    assert set(map(tuple, listed.values())) == {()}


def test_the_page_has_a_captioned_table_for_each_processing(entries):
    page = html.fromstring(as_html(list(entries.values()), "Ville d'Exemple"))
    assert page.get("lang") == "fr"
    tables = page.xpath("//table")
    assert len(tables) == len(entries)
    assert all(table.xpath("./caption") and table.xpath(".//thead//th[@scope='col']") for table in tables)
    assert len(set(page.xpath("//@id"))) == len(page.xpath("//@id")) == len(entries)


def test_the_sheet_has_a_line_for_each_field_received(entries):
    lines = list(csv.DictReader(io.StringIO(as_csv(entries.values())), delimiter=";"))
    wanted = ("restauration.inscription", "technocarte", "data.enfants.nom", "Mineurs")
    assert wanted in {(one["traitement"], one["destinataire"], one["champ"], one["classe"]) for one in lines}


def test_the_verb_writes_all_three(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = CliRunner().invoke(gdpr, ["register", "--html", "r.html", "--csv", "r.csv", "--json"])
    assert said.exit_code == 0
    assert {one["name"] for one in json.loads(said.stdout)} >= {"saisine", "famille.quotient"}
    assert "<caption>" in (tmp_path / "r.html").read_text("utf-8")
    assert (tmp_path / "r.csv").read_bytes().startswith(b"\xef\xbb\xbftraitement;")
