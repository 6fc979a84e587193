"""Broken on purpose: what matters is noticed, what does not is not, and what nobody can tell apart is counted apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.proof.mutants import harmless_to_contract, mutants_of_contract, mutants_of_form
from hub.proof.mutation import mutate
from hub.proof.slips import mutants_of_mapping

HOME = Path(__file__).parents[2]

CONTRACT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["Nom"],
    "properties": {
        "Nom": {"type": "string", "maxLength": 40},
        "Sexe": {"type": "string", "enum": ["F", "M"]},
        "Fils": {"type": "array", "items": {"type": ["string", "null"]}},
    },
}
MAPPING = """mapping: a/b
from: b
to: a.b
fields:
  Nom: '$cut($upper(data.nom), 40)'
  Sexe: '$lookup({"fille": "F", "garcon": "M"}, data.sexe)'
examples: []
"""


def changes(mutants) -> set[str]:
    return {f"{one.place}: {one.change}" for one in mutants}


def test_a_contract_is_changed_in_every_way_that_vendors_change_theirs():
    assert changes(mutants_of_contract(CONTRACT)) >= {
        "the whole: rename the element Nom",
        "the whole: require Sexe",
        "the whole: require a new element nouveau",
        "Nom: shorten it to 20",
        "Nom: make it integer",
        "Nom: tighten it: no space",
        "Sexe: drop the value 'F'",
        "Fils: take one item at most",
        "Fils: take two items at least",
        "Fils: refuse null",
    }


def test_a_form_is_changed_in_every_way_that_cities_change_theirs():
    assert changes(mutants_of_form(CONTRACT)) >= {
        "Nom: rename the field",
        "Nom: drop the field",
        "Nom: let it be 120 long",
        "Nom: let it stay empty",
        "Sexe: add the value 'nouveau'",
    }


def test_a_mapping_is_changed_in_every_way_that_hands_slip():
    assert changes(mutants_of_mapping(MAPPING)) == {
        "Nom: delete the element",
        "Nom: rename the element",
        "Nom: leave $cut out",
        "Nom: leave $upper out",
        "Sexe: delete the element",
        "Sexe: rename the element",
        "Sexe: write 'FX' for 'F'",
        "Sexe: write 'MX' for 'M'",
        "Nom, Sexe: swap them",
    }


def test_a_change_leaves_what_it_changes_as_it_was():
    before = str(CONTRACT)
    assert all(one.make() != CONTRACT for one in (*mutants_of_contract(CONTRACT), *mutants_of_form(CONTRACT)))
    assert str(CONTRACT) == before


def test_what_is_harmless_still_takes_what_was_taken():
    from jsonschema_rs import Draft202012Validator

    taken = {"Nom": "N" * 40, "Sexe": "F", "Fils": ["a", None]}
    assert all(Draft202012Validator(one.make()).is_valid(taken) for one in harmless_to_contract(CONTRACT))


def test_every_change_of_a_small_home_that_matters_is_noticed(home):
    report = mutate([home], share=1, samples=40)
    assert (report["score"], report["missed"]) == (1.0, [])
    assert report["mutants"] == report["noticed"] == sum(report["by"].values()) > 15
    assert report["harmless"]["tried"] >= 12
    assert report["harmless"]["raised"] == []


def test_a_mapping_that_promises_little_lets_changes_through(home):
    """The score can fall: an element that no example shows and any text fits is nobody's to notice."""
    file = home / "mappings/voirie/trou.yaml"
    contract = home / "connectors/voirie/contract/voirie.wsdl"
    contract.write_text(contract.read_text("utf-8").replace('<xs:maxLength value="40"/>', ""), "utf-8")
    file.write_text(file.read_text("utf-8").replace("$cut(data.lieu, 40)", "$upper(data.lieu)"), "utf-8")
    file.write_text(
        file.read_text("utf-8").replace("lieu: rue}", "lieu: RUE}").replace("Lieu: rue}", "Lieu: RUE}"), "utf-8"
    )
    missed = mutate([home], share=1, samples=40, only="voirie/trou")["missed"]
    assert [(one["file"], one["change"]) for one in missed] == [(str(file), "Lieu: leave $upper out")]
    assert missed[0]["why"] == "the value goes as the citizen typed it"


@pytest.mark.parametrize(("name", "share"), [("logitud/rapo", 10), ("sig/doleance", 4)])
def test_our_own_mappings_let_next_to_nothing_through(name, share):
    report = mutate([HOME], share=share, samples=60, only=name)
    assert report["score"] >= 0.95
    assert report["mutants"] > 10
    assert report["harmless"]["raised"] == []


def test_the_same_mutants_are_tried_each_time(home):
    assert mutate([home], share=3, samples=20) == mutate([home], share=3, samples=20)
