"""A form that cannot work is refused, with each field's title and what to do."""

import pytest

from hub.forms.model import FormError, read_form
from hub.forms.proof import prove

STAGES = ["Erreur courriel"]
TEXT = {"type": "Texte", "code": "x", "title": "Le texte"}
CHOICE = {"type": "Sélection", "code": "choix", "title": "Le choix", "options": ["a", "b"]}


def rows(**over):
    return {"type": "Collection", "code": "rangs", "title": "Les rangs", "fields": [TEXT], **over}


WRONG = {
    "a type that is none": ([{**TEXT, "type": "Signature"}], "Le texte", "there is no type 'Signature'"),
    "no code": ([{**TEXT, "code": ""}], "Le texte", "it has no code"),
    "a code that is none": ([{**TEXT, "code": "Le texte"}], "Le texte", "its code is 'Le texte'"),
    "no title": ([{**TEXT, "title": ""}], "x", "it has no title"),
    "a code twice": ([TEXT, {**TEXT, "title": "Encore"}], "Le texte", "the code 'x' is twice there"),
    "a code twice in a collection": ([rows(fields=[TEXT, TEXT])], "Le texte", "the code 'x' is twice there"),
    "nothing to choose from": ([{**CHOICE, "options": []}], "Le choix", "there is nothing to choose from"),
    "a value twice": ([{**CHOICE, "options": ["a", "a"]}], "Le choix", "two options have the same value"),
    "options of a text": ([{**TEXT, "options": ["a"]}], "Le texte", "« Texte » has no options"),
    "a password": ([TEXT, {**TEXT, "code": "s", "type": "Mot de passe"}], "Le texte", "a password would be stored"),
    "a step among fields": ([TEXT, {**TEXT, "type": "Étape"}], "Le texte", "a step stands among fields"),
    "an empty collection": ([rows(fields=[])], "Les rangs", "nothing is repeated in this collection"),
    "a collection in another": (
        [rows(fields=[TEXT, rows(code="y")])],
        "Les rangs",
        "a collection stands in a collection",
    ),
    "more rows than there may be": ([rows(min=3, max=2)], "Les rangs", "at least 3 and at most 2 rows"),
    "fields in a text": ([{**TEXT, "fields": [TEXT]}], "Le texte", "only a collection has fields"),
    "lengths that contradict": ([{**TEXT, "min_length": 5, "max_length": 2}], "Le texte", "at least 5 and at most 2"),
    "a condition on nothing": (
        [{**TEXT, "visible_if": {"field": "y", "equals": "a"}}],
        "Le texte",
        "it is shown by 'y', which is no field",
    ),
    "a condition on a later field": (
        [{**TEXT, "visible_if": {"field": "choix", "equals": "a"}}, CHOICE],
        "Le texte",
        "it is shown by 'choix', which comes later or elsewhere",
    ),
    "a condition on itself": (
        [{**CHOICE, "visible_if": {"field": "choix", "equals": "a"}}],
        "Le choix",
        "it is shown by 'choix', which comes later or elsewhere",
    ),
    "a condition on what is outside the collection": (
        [CHOICE, rows(fields=[{**TEXT, "visible_if": {"field": "choix", "equals": "a"}}])],
        "Le texte",
        "it is shown by 'choix', which comes later or elsewhere",
    ),
    "a condition on a file": (
        [
            {**TEXT, "code": "f", "type": "Fichier", "title": "Le plan"},
            {**TEXT, "visible_if": {"field": "f", "equals": "a"}},
        ],
        "Le texte",
        "« Le plan » (Fichier) has no value to compare",
    ),
    "a condition on a value that is none": (
        [CHOICE, {**TEXT, "visible_if": {"field": "choix", "equals": ["a", "c"]}}],
        "Le texte",
        "« Le choix » is never 'c'",
    ),
    "a condition on no value": (
        [CHOICE, {**TEXT, "visible_if": {"field": "choix", "equals": []}}],
        "Le texte",
        "it is shown for no value",
    ),
    "more files than a request may have": (
        [
            {"type": "Fichier", "code": "f", "title": "Les photos", "max": 15},
            rows(max=6, fields=[{**TEXT, "type": "Fichier"}]),
        ],
        "Le texte",
        "a request has at most 20 files, and the form asks for up to 21",
    ),
}


def form_of(fields, **over):
    service = {"title": "Accueil", "email": "accueil@ville.example"}
    return {"code": "essai", "title": "Essai", "service": service, "steps": [{"title": "Un", "fields": fields}], **over}


@pytest.mark.parametrize(("fields", "title", "message"), WRONG.values(), ids=WRONG)
def test_what_cannot_work_is_found_and_named_by_its_title(fields, title, message):
    found = prove(read_form(form_of(fields)), STAGES)
    told = [one for one in found if one.title == title and message in one.message]
    assert told, found
    assert told[0].advice
    assert told[0].field.startswith("/steps")


def test_everything_that_is_wrong_is_told_at_once():
    fields = [{**TEXT, "type": "Signature"}, {**CHOICE, "options": []}, {**TEXT, "code": ""}]
    assert len(prove(read_form(form_of(fields)), STAGES)) == 3


@pytest.mark.parametrize("email", ["", "accueil", "accueil@"])
def test_a_service_without_a_mailbox_is_refused(email):
    said = form_of([TEXT], service={"title": "Accueil", "email": email})
    [found] = prove(read_form(said), STAGES)
    assert (found.field, found.title) == ("/service/email", "Accueil")


def test_an_error_step_that_is_not_the_target_s_is_refused():
    [found] = prove(read_form(form_of([TEXT], error={"title": "Erreur Fête"})), STAGES)
    assert "« Erreur courriel » or « Erreur lors de l'intégration de la demande »" in found.advice


@pytest.mark.parametrize("title", ["Erreur courriel", "Erreur lors de l'intégration de la demande", ""])
def test_an_error_step_of_the_target_s_is_taken(title):
    assert prove(read_form(form_of([TEXT], error={"title": title})), STAGES) == []


@pytest.mark.parametrize("fields", [[], [{"type": "Commentaire", "title": "Rien à demander"}]])
def test_a_step_that_asks_for_nothing_is_refused(fields):
    [found] = prove(read_form(form_of(fields)), STAGES)
    assert found.message == "nothing is asked in this step"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"code": "Fête"}, "/code"),
        ({"title": ""}, "/title"),
        ({"service": None}, "/service"),
        ({"steps": []}, "/steps"),
        ({"version": 3}, "/version"),
    ],
)
def test_what_is_not_of_the_format_is_told_by_its_place(change, field):
    with pytest.raises(FormError) as refused:
        read_form({**form_of([TEXT]), **change})
    assert [one.field for one in refused.value.findings] == [field]
