"""From one version of a form to the next: what changes, and what breaks the front ends that have the old one."""

import pytest

from hub.forms.compare import compare
from hub.forms.model import read_form


def field_of(form, code):
    fields = [field for step in form["steps"] for field in step["fields"]]
    return next(one for field in fields for one in [field, *field.get("fields", [])] if one.get("code") == code)


CHANGES = {
    "a field is asked now": ("rue", {"required": False}, "no longer required", False),
    "a text is cut shorter": ("rue", {"max_length": 10}, "max_length: 100 became 10", True),
    "a text may be longer": ("rue", {"max_length": 200}, "max_length: 100 became 200", False),
    "a text must be longer": ("rue", {"min_length": 3}, "min_length: 0 became 3", True),
    "an option goes": (
        "barrieres",
        {"options": [{"value": "oui", "title": "Oui, à livrer"}]},
        "options taken out: non",
        True,
    ),
    "an option comes": (
        "barrieres",
        {"options": [{"value": "oui", "title": "Oui, à livrer"}, {"value": "non", "title": "Non"}, "peut_etre"]},
        "options added: peut_etre",
        False,
    ),
    "an option reads otherwise": ("barrieres", {"options": ["oui", "non"]}, "options read otherwise", False),
    "it becomes another type": ("jour", {"type": "Texte"}, "Date became Texte", True),
    "it becomes a list": ("plan", {"max": 3}, "Fichier became Fichier (several)", True),
    "it depends on something else": (
        "livraison",
        {"visible_if": {"field": "rue", "equals": "x"}},
        "shown under another condition",
        True,
    ),
    "it must be given": ("plan", {"required": True}, "required now", True),
    "more rows may be given": ("voisins", {"max": 9}, "max: 3 became 9", False),
    "more rows must be given": ("voisins", {"min": 2}, "min: 1 became 2", True),
    "a row asks for more": ("mineur", {"required": True}, "required now", True),
    "it is called otherwise": ("rue", {"title": "Voie"}, "title changed", False),
}


@pytest.mark.parametrize(("code", "change", "told", "breaking"), CHANGES.values(), ids=CHANGES)
def test_a_change_of_a_field_is_told_with_what_it_breaks(party, code, change, told, breaking):
    old = read_form(party)
    field_of(party, code).update(change)
    changes = compare(old, read_form(party))
    assert [(one.field.rpartition(".")[2], one.change, one.breaking) for one in changes] == [(code, told, breaking)]


def test_nothing_changes_between_a_form_and_itself(party):
    assert compare(read_form(party), read_form(party)) == []


def test_a_field_that_goes_breaks_those_who_still_give_it(party):
    old = read_form(party)
    del party["steps"][1]["fields"][1]
    [change] = compare(old, read_form(party))
    assert (change.field, change.title, change.change, change.breaking) == ("plan", "Plan", "taken out", True)


@pytest.mark.parametrize(
    ("over", "breaking"),
    [
        ({}, False),
        ({"required": True}, True),
        ({"required": True, "visible_if": {"field": "barrieres", "equals": "non"}}, True),
    ],
)
def test_a_field_that_comes_breaks_only_if_somebody_must_give_it(party, over, breaking):
    old = read_form(party)
    party["steps"][0]["fields"].append({"type": "Texte", "code": "neuf", "title": "Neuf", **over})
    [change] = compare(old, read_form(party))
    assert (change.field, change.breaking) == ("neuf", breaking)


def test_what_only_the_city_sees_breaks_nobody(party):
    old = read_form(party)
    party["service"]["email"] = "fetes@ville.example"
    assert [(one.change, one.breaking) for one in compare(old, read_form(party))] == [("service changed", False)]
