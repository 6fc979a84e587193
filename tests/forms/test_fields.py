"""Each of the eighteen types of field: what it takes, what it does not, and how people read what it holds."""

import pytest
import yaml

from hub.formats import is_iban, is_siret, validator
from hub.forms.fields import NAMES
from hub.forms.kind import SAMPLES, letter, sample, schema
from hub.forms.model import FormError, read_form
from hub.forms.proof import prove
from hub.mapping import CompiledMapping, Expression

CHOICES = [{"value": "a", "title": "Le premier"}, {"value": "b", "title": "Le second"}]
FILE = "0123456789abcdef0123456789abcdef"
PLACE = {"voie": "3 rue de l'Opéra", "code_postal": "13100", "commune": "Aix-en-Provence"}

TAKES = [
    ("Texte", {}, "Léa", "x : Léa"),
    ("Texte", {"max_length": 3}, "Léa", "x : Léa"),
    ("Zone de texte", {}, "une\nautre", "x : une\nautre"),
    ("Email", {}, "lea@example.org", "x : lea@example.org"),
    ("Sélection", {"options": CHOICES}, "a", "x : Le premier"),
    ("Sélection", {"options": CHOICES, "multiple": True}, ["a", "b"], "x : Le premier, Le second"),
    ("Case à cocher", {}, False, "x : non"),
    ("Case à cocher", {"required": True}, True, "x : oui"),
    ("Case à cocher", {"options": CHOICES}, ["b"], "x : Le second"),
    ("Bouton radio", {"options": ["oui", "non"]}, "oui", "x : oui"),
    ("Fichier", {}, FILE, "x : voir la pièce jointe"),
    ("Fichier", {"max": 3}, [FILE, FILE[::-1]], "x : 2 pièce(s) jointe(s)"),
    ("Géolocalisation", {}, {"lon": 5.45, "lat": 43.53}, "x : 43.53, 5.45"),
    ("Adresse", {}, PLACE, "x : 3 rue de l'Opéra, 13100 Aix-en-Provence"),
    ("Téléphone", {}, "+33 6 39 98 12 34", "x : +33 6 39 98 12 34"),
    ("IBAN", {}, "FR7630006000011234567890189", "x : FR7630006000011234567890189"),
    ("Date", {}, "2028-02-29", "x : 29/02/2028"),
    ("Heure", {}, "08:05", "x : 08:05"),
    ("SIRET", {}, "21130001500016", "x : 21130001500016"),
    (
        "Collection",
        {"fields": [{"type": "Texte", "code": "nom", "title": "Nom"}]},
        [{"nom": "Noé"}, {"nom": "An"}],
        "x 1 : Nom : Noé\nx 2 : Nom : An",
    ),
]

REFUSES = [
    ("Texte", {}, ""),
    ("Texte", {"max_length": 3}, "Noémie"),
    ("Texte", {"min_length": 3}, "An"),
    ("Texte", {}, 3),
    ("Zone de texte", {}, "x" * 5001),
    ("Email", {}, "lea"),
    ("Sélection", {"options": CHOICES}, "Le premier"),
    ("Sélection", {"options": CHOICES, "multiple": True}, ["a", "a"]),
    ("Sélection", {"options": CHOICES, "multiple": True}, "a"),
    ("Case à cocher", {}, "oui"),
    ("Case à cocher", {"required": True}, False),
    ("Case à cocher", {"options": CHOICES}, []),
    ("Bouton radio", {"options": ["oui", "non"]}, "peut-être"),
    ("Fichier", {}, "plan.pdf"),
    ("Fichier", {"max": 1, "multiple": True}, [FILE, FILE[::-1]]),
    ("Géolocalisation", {}, {"lon": 5.45}),
    ("Géolocalisation", {}, {"lon": 5.45, "lat": 143}),
    ("Adresse", {}, {**PLACE, "code_postal": "1310"}),
    ("Adresse", {}, {"voie": "3 rue de l'Opéra"}),
    ("Téléphone", {}, "le fixe"),
    ("IBAN", {}, "FR7630006000011234567890188"),
    ("IBAN", {}, "FR76 3000 6000 0112 3456 7890 189"),
    ("Date", {}, "2027-02-29"),
    ("Date", {}, "07/09/2026"),
    ("Heure", {}, "24:00"),
    ("SIRET", {}, "21130001500015"),
    ("SIRET", {}, "211 300 015 00014"),
    ("Collection", {"fields": [{"type": "Texte", "code": "nom", "title": "Nom", "required": True}]}, [{}]),
    ("Collection", {"max": 1, "fields": [{"type": "Texte", "code": "nom", "title": "Nom"}]}, [{}, {}]),
]


def form_of(*fields, **over):
    service = {"title": "Accueil", "email": "accueil@ville.example"}
    return read_form(
        {"code": "essai", "title": "Essai", "service": service, "steps": [{"title": "Un", "fields": fields}], **over}
    )


def field(kind, said, **over):
    return {"type": kind, "code": "x", "title": "x", **said, **over}


@pytest.mark.parametrize(("kind", "said", "value", "shown"), TAKES)
def test_what_a_field_takes_is_accepted_and_read_by_the_service(kind, said, value, shown):
    form = form_of(field(kind, said))
    assert prove(form, ["Erreur courriel"]) == []
    assert [error.message for error in validator(schema(form)).iter_errors({"x": value})] == []
    read = Expression(letter(form, "formulaire_essai_1")["fields"]["fields"]["contenu"])
    assert read.value({"data": {"x": value}}) == f"— Un —\n{shown}"


@pytest.mark.parametrize(("kind", "said", "value"), REFUSES)
def test_what_a_field_does_not_take_is_refused(kind, said, value):
    assert not validator(schema(form_of(field(kind, said)))).is_valid({"x": value})


@pytest.mark.parametrize(("kind", "said", "value", "_shown"), TAKES)
def test_what_must_be_given_is_missed(kind, said, value, _shown):
    known = validator(schema(form_of(field(kind, said, required=True))))
    assert not known.is_valid({})
    assert validator(schema(form_of(field(kind, said, required=False)))).is_valid({})


@pytest.mark.parametrize(("kind", "said", "_value", "_shown"), TAKES)
def test_the_samples_of_each_type_are_what_it_takes(kind, said, _value, _shown):
    form = form_of(field(kind, said))
    known = validator(schema(form))
    assert all(known.is_valid(sample(form, number)["data"]) for number in range(len(SAMPLES)))


def test_a_comment_is_shown_and_holds_nothing():
    form = form_of(field("Texte", {}), {"type": "Commentaire", "title": "À savoir", "help": "Un mois avant."})
    said = schema(form)
    assert (list(said["properties"]), said["x-etapes"][0]["comments"]) == (["x"], ["Un mois avant."])


def test_a_step_groups_what_is_asked_together():
    steps = [
        {"type": "Étape", "title": "Un", "fields": [field("Texte", {}, code="a")]},
        {"type": "Étape", "title": "Deux", "fields": [field("Date", {}, code="b")]},
    ]
    said = schema(form_of(steps=steps))
    assert [(step["title"], step["fields"]) for step in said["x-etapes"]] == [("Un", ["a"]), ("Deux", ["b"])]
    read = Expression(letter(form_of(steps=steps), "n")["fields"]["fields"]["contenu"])
    assert read.value({"data": {"b": "2026-09-07"}}) == "— Deux —\nx : 07/09/2026"


def test_a_password_is_never_asked():
    [found] = prove(form_of(field("Texte", {}), field("Mot de passe", {}, code="secret", title="Secret")), [])
    assert (found.title, found.message) == ("Secret", "a password would be stored, and sent by e-mail")


def test_all_eighteen_types_are_known():
    shown = {kind for kind, *_ in TAKES}
    assert shown | {"Étape", "Commentaire", "Mot de passe"} == set(NAMES)
    assert len(NAMES) == 18


@pytest.mark.parametrize("name", ["CASE A COCHER", "case_à_cocher", "Case  à cocher"])
def test_a_type_is_known_however_it_is_written(name):
    assert prove(form_of(field(name, {})), []) == []


def test_what_depends_on_an_answer_is_asked_with_it_and_nowhere_else():
    known = validator(
        schema(
            form_of(
                field("Sélection", {"options": CHOICES}, code="choix", required=True),
                field("Texte", {}, required=True, visible_if={"field": "choix", "equals": "b"}),
            )
        )
    )
    valid = [{"choix": "a"}, {"choix": "b", "x": "oui"}]
    assert [known.is_valid(data) for data in [*valid, {"choix": "b"}, {"choix": "a", "x": "oui"}]] == [1, 1, 0, 0]


@pytest.mark.parametrize(
    ("source", "equals", "shown", "hidden"),
    [
        (field("Case à cocher", {}), True, True, False),
        (field("Case à cocher", {"options": CHOICES}), "b", ["a", "b"], ["a"]),
        (field("Bouton radio", {"options": CHOICES}), ["a", "b"], "b", None),
        (field("Texte", {}), "oui", "oui", "non"),
    ],
)
def test_a_condition_reads_any_answer_that_can_be_compared(source, equals, shown, hidden):
    then = field("Texte", {}, code="y", visible_if={"field": "x", "equals": equals})
    known = validator(schema(form_of(source, then)))
    assert known.is_valid({"x": shown, "y": "suite"})
    assert not known.is_valid({"x": hidden, "y": "suite"} if hidden is not None else {"y": "suite"})


def test_what_depends_on_what_is_not_shown_is_not_shown_either():
    known = validator(
        schema(
            form_of(
                field("Sélection", {"options": CHOICES}, code="un"),
                field("Sélection", {"options": CHOICES}, code="deux", visible_if={"field": "un", "equals": "a"}),
                field("Texte", {}, required=True, visible_if={"field": "deux", "equals": "a"}),
            )
        )
    )
    assert known.is_valid({"un": "b"})
    assert not known.is_valid({"un": "a", "deux": "a"})
    assert not known.is_valid({"un": "b", "x": "oui"})


def test_a_step_that_is_not_shown_asks_for_nothing():
    steps = [
        {"title": "Un", "fields": [field("Sélection", {"options": CHOICES}, code="choix", required=True)]},
        {
            "title": "Deux",
            "visible_if": {"field": "choix", "equals": "a"},
            "fields": [field("Texte", {}, required=True)],
        },
    ]
    known = validator(schema(form_of(steps=steps)))
    assert [known.is_valid(data) for data in ({"choix": "b"}, {"choix": "a"}, {"choix": "b", "x": "x"})] == [1, 0, 0]


@pytest.mark.parametrize("number", range(len(SAMPLES)), ids=SAMPLES)
def test_samples_are_made_that_the_form_accepts(party, number):
    form = read_form(party)
    made = sample(form, number)
    assert [error.message for error in validator(schema(form)).iter_errors(made["data"])] == []
    assert ("livraison" in made["data"]) == (made["data"]["barrieres"] == "oui")


def test_the_third_sample_chooses_otherwise(party):
    chosen = {name: sample(read_form(party), number)["data"]["barrieres"] for number, name in enumerate(SAMPLES)}
    assert chosen == {"complet": "oui", "essentiel": "oui", "autres_choix": "non"}


@pytest.mark.parametrize("text", ["[rue]", 'guillemets "', "antislash \\", "$exists(x)", "point.médian·s"])
def test_a_title_is_shown_as_it_is_written(text):
    form = form_of(field("Texte", {}, title=text, code="and"))
    said = {**letter(form, "formulaire_essai_1"), "examples": [{"name": "rien", "given": {}, "expect": {}}]}
    mapping = CompiledMapping.read("mappings/courriel/formulaire_essai_1.yaml", yaml.safe_dump(said))
    document = {"number": 1, "received_at": "2026-09-07T09:12:45+02:00", "data": {"and": "[courriel]"}, "applicant": {}}
    assert mapping.apply(document)["fields"]["contenu"] == f"— Un —\n{text} : [courriel]"


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("FR7630006000011234567890189", True),
        ("DE89370400440532013000", True),
        ("NO9386011117947", True),
        ("FR7630006000011234567890198", False),
        ("fr7630006000011234567890189", False),
        ("FR76", False),
    ],
)
def test_an_iban_is_right_when_its_check_digits_are(text, right):
    assert is_iban(text) is right


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("73282932000074", True),
        ("73282932000075", False),
        ("35600000000048", True),
        ("35600000049837", True),
        ("35600000049838", False),
        ("7328293200007", False),
    ],
)
def test_a_siret_is_right_when_its_last_digit_is_the_post_s_apart(text, right):
    assert is_siret(text) is right


def test_a_member_that_is_none_is_named_with_the_field(party):
    party["steps"][0]["fields"][1]["placeholder"] = "rue…"
    with pytest.raises(FormError) as refused:
        read_form(party)
    [found] = refused.value.findings
    assert (found.field, found.title) == ("/steps/0/fields/1/placeholder", "Rue")
