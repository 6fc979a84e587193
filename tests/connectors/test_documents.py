"""Documents: what a template may say, what is printed of what citizens wrote, and what a screen reader finds."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError
from pypdf import PdfReader

import connectors.documents
from connectors.documents.champs import COMPOSER, MODELES, by_pairs, say, shown
from connectors.documents.client import TEMPLATES, Documents, Press, connect, read_template
from connectors.documents.wire import FIELD, ORDER, Template, TemplateError, names_of
from hub.connector import Deadline, Outbound, Receipt
from hub.errors import ConfigurationError, RefusedError, TransientError
from hub.manifest import ErrorTable, Manifest
from hub.model import DeliveryKey

FOLDER = Path(connectors.documents.__file__).parent
ERRORS = ErrorTable.read(FOLDER)
CITY = "Ville d’Œuilly-sur-Été"


def person(first: str, last: str, telephone: str) -> dict[str, str]:
    return {"prenom": first, "nom": last, "lien": "grand-parent", "telephone": telephone}


def child(first: str, *allowed: dict[str, str]) -> dict[str, Any]:
    return {
        "prenom": first,
        "nom": "Lefèvre",
        "date_naissance": "2018-05-21",
        "ecole": "École Jules-Verne",
        "classe": "CE1",
        "prestations": [{"libelle": "Restauration", "periode": "lundi, mardi", "tarif": 1250}],
        "personnes_autorisees": allowed,
    }


FAMILY = {
    "famille": "Lefèvre",
    "saison": "2026-2027",
    "numdemande": 167046020,
    "date": "2026-09-01",
    "telephone_urgence": "+33639980100",
    "responsables": [person("Léa", "Lefèvre", "06 39 98 01 01")],
    "enfants": [
        child("Zoé", person("Jeanne", "Martin", "0639980102"), person("Lucas", "Petit", "0639980103")),
        child("Noé", person("Inès", "Roux", "0639980104")),
        {"prenom": "Maël", "nom": "Lefèvre"},
    ],
}
LIAISON = {
    "prenom": "Zoé",
    "nom": "Lefèvre",
    "classe": "CE1",
    "prestations": ["Restauration", "Accueil du soir"],
    "telephone_urgence": "0639980100",
    "medecin": "Dr Exemple",
    "personnes_autorisees": [person("Jeanne", "Martin", "0639980102")],
    "allergies": "Arachide",
    "pai": True,
    "consignes": "Trousse dans le bureau de la directrice",
}
RECEIPT = {
    "objet": "Stand au forum des associations",
    "montant": 123450,
    "date": "2026-09-01",
    "numero_transaction": "T-2026-0001",
    "payeur": "Les Amis de l’été",
}
REQUEST = {
    "titre": "Occupation du domaine public",
    "numdemande": "167 046 020",
    "date": "2026-09-02",
    "sections": [
        {"titre": "Le lieu", "lignes": [{"libelle": "Surface", "valeur": 12.5}, {"libelle": "Abri", "valeur": False}]},
        {"titre": "Le jour", "lignes": [{"libelle": "Pièces", "valeur": ["plan", "photo"]}]},
    ],
}
SAMPLES: dict[str, dict[str, Any]] = {
    "recapitulatif_famille": FAMILY,
    "fiche_liaison": LIAISON,
    "recu_paiement": RECEIPT,
    "recapitulatif_demande": REQUEST,
}


@pytest.fixture
def documents() -> Documents:
    return connect({"ville": CITY}, ERRORS)


def outbound(modele: str, champs: dict[str, Any], name: str = "document.pdf", within: float = 20) -> Outbound:
    body = orjson.dumps({"modele": modele, "nom": name, "champs": champs})
    return Outbound(DeliveryKey("167046020-1"), "composer", body, Deadline(timedelta(seconds=within)))


def opened(receipt: Receipt) -> PdfReader:
    (file,) = receipt.files
    return PdfReader(BytesIO(file.content))


def text_of(receipt: Receipt) -> str:
    """What is printed, each run of spaces as one space."""
    return " ".join(" ".join(page.extract_text() for page in opened(receipt).pages).split())


def tags_of(node: Any) -> list[str]:
    """The tags of a PDF's structure, in reading order."""
    node = node.get_object() if hasattr(node, "get_object") else node
    match node:
        case list():
            return [tag for one in node for tag in tags_of(one)]
        case dict():
            return [node[key] for key in ("/S",) if key in node] + tags_of(node.get("/K", []))
    return []


def structure_of(receipt: Receipt) -> list[str]:
    return tags_of(opened(receipt).root_object["/StructTreeRoot"])


async def answer_of(documents: Documents, value: Any) -> str:
    """What is printed of one answer of a form."""
    request = REQUEST | {"sections": [{"lignes": [{"libelle": "Réponse", "valeur": value}]}]}
    text = text_of(await documents.deliver(outbound("recapitulatif_demande", request)))
    return re.findall(r"Réponse : (.*) Page 1 sur", text)[0]


@pytest.mark.parametrize("modele", MODELES)
async def test_each_document_is_accessible(documents, modele):
    receipt = await documents.deliver(outbound(modele, SAMPLES[modele]))
    pdf = opened(receipt)
    root = pdf.root_object
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "fr"
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert b"<pdfuaid:part>1</pdfuaid:part>" in receipt.files[0].content
    tags = structure_of(receipt)
    assert tags[:2] == ["/Document", "/H1"]
    assert tags.count("/H1") == 1
    assert tags.count("/Table") == tags.count("/THead")
    assert pdf.metadata.author == CITY


@pytest.mark.parametrize(
    ("modele", "title"),
    [
        ("recapitulatif_famille", "Récapitulatif de la famille Lefèvre"),
        ("fiche_liaison", "Fiche de liaison : Zoé Lefèvre"),
        ("recu_paiement", "Reçu de paiement N° T-2026-0001"),
        ("recapitulatif_demande", "Occupation du domaine public"),
    ],
)
async def test_the_title_is_that_of_the_template(documents, modele, title):
    pdf = opened(await documents.deliver(outbound(modele, SAMPLES[modele])))
    assert pdf.metadata.title.replace("\xa0", " ") == title
    assert pdf.outline[0].title.replace("\xa0", " ") == title


async def test_the_receipt_has_the_file_under_its_name_and_says_its_pages(documents):
    receipt = await documents.deliver(outbound("recapitulatif_famille", FAMILY, "Récapitulatif n° 1.pdf"))
    (file,) = receipt.files
    assert (file.name, file.media_type) == ("Récapitulatif n° 1.pdf", "application/pdf")
    assert receipt.details == {"nom": "Récapitulatif n° 1.pdf", "pages": len(opened(receipt).pages)}
    schema = json.loads((FOLDER / "contract" / "document.json").read_text("utf-8"))
    assert jsonschema_rs.is_valid(schema, dict(receipt.details))


async def test_a_family_has_a_row_for_each_child_and_for_each_person_who_may_collect_it(documents):
    receipt = await documents.deliver(outbound("recapitulatif_famille", FAMILY))
    text = text_of(receipt)
    zoe, noe, mael = (text.index(f"{name} Lefèvre") for name in ("Zoé", "Noé", "Maël"))
    assert zoe < text.index("Jeanne Martin grand-parent 06 39 98 01 02") < noe
    assert zoe < text.index("Lucas Petit grand-parent 06 39 98 01 03") < noe
    assert noe < text.index("Inès Roux grand-parent 06 39 98 01 04") < mael
    assert "Personne d'autre que les responsables n'est autorisé à venir chercher Maël." in text[mael:]
    assert "À joindre en cas d'urgence : 06 39 98 01 00" in text
    assert text.count("Restauration lundi, mardi 12,50 €") == 2
    rows = {"responsables": 1 + 1, "prestations": 2 + 2, "personnes": 3 + 2}
    assert structure_of(receipt).count("/TR") == sum(rows.values())


async def test_a_list_with_nothing_in_it_leaves_no_table(documents):
    receipt = await documents.deliver(outbound("fiche_liaison", {"prenom": "Zoé", "nom": "Roux"}))
    assert "/Table" not in structure_of(receipt)
    assert "Personne d'autre que les responsables n'est autorisé" in text_of(receipt)


async def test_a_liaison_sheet_says_what_the_school_must_know(documents):
    text = text_of(await documents.deliver(outbound("fiche_liaison", LIAISON)))
    assert "Prestations : Restauration, Accueil du soir" in text
    assert "Téléphone : 06 39 98 01 00" in text
    assert "Allergies : Arachide" in text
    assert "Un projet d'accueil individualisé (PAI) est en place" in text
    assert "Consignes : Trousse dans le bureau de la directrice" in text
    assert "Jeanne Martin grand-parent 06 39 98 01 02" in text


@pytest.mark.parametrize("pai", [False, None])
async def test_what_nobody_said_of_health_is_not_said_to_be_nothing(documents, pai):
    text = text_of(await documents.deliver(outbound("fiche_liaison", {"prenom": "Zoé", "nom": "Roux", "pai": pai})))
    assert "Allergies : rien n'est indiqué dans la demande." in text
    assert "PAI" not in text


async def test_a_receipt_says_what_was_paid(documents):
    text = text_of(await documents.deliver(outbound("recu_paiement", RECEIPT)))
    assert f"{CITY} a reçu le paiement suivant." in text
    assert "Objet : Stand au forum des associations" in text
    assert "Montant payé : 1 234,50 €" in text
    assert "Date du paiement : 1er septembre 2026" in text
    assert "Numéro de transaction : T-2026-0001" in text
    assert "Demande N°" not in text


async def test_any_request_is_told_section_by_section(documents):
    receipt = await documents.deliver(outbound("recapitulatif_demande", REQUEST))
    text = text_of(receipt)
    assert "Demande N° : 167 046 020" in text
    assert "Le lieu – Surface : 12,5 – Abri : non Le jour – Pièces : plan, photo" in text
    assert structure_of(receipt).count("/H2") == 2


async def test_the_same_message_makes_the_same_bytes(documents):
    first, second = [await documents.deliver(outbound("fiche_liaison", LIAISON)) for _ in range(2)]
    assert first.files == second.files


async def test_documents_are_made_side_by_side(documents):
    names = [f"Nom{number}" for number in range(12)]
    orders = [outbound("fiche_liaison", {"prenom": "Zoé", "nom": name}) for name in names]
    receipts = await asyncio.gather(*map(documents.deliver, orders))
    assert [f"Nom : {name} " in text_of(receipt) for name, receipt in zip(names, receipts, strict=True)] == [True] * 12


@pytest.mark.parametrize(
    "hostile",
    [
        '#read("/etc/passwd")',
        '#include "page.typ"',
        "] } ) $ * _x_ `y` = z",
        "\\u{41} \\ // /* */ <etiquette> @reference",
        "- item",
        "[nom] [pour chaque enfants] [fin] [titre",
        '", "blocs": [], "x": "',
        "{{ ville }} ${ville} %s",
    ],
)
async def test_what_a_citizen_wrote_is_printed_and_never_read(documents, hostile):
    assert await answer_of(documents, hostile) == hostile


async def test_a_hostile_name_stays_a_name_in_headings_tables_and_metadata(documents):
    name = '#read("/etc/passwd")[nom]*|'
    family = {"famille": name, "enfants": [child(name, person(name, "| x |", "0639980102"))]}
    receipt = await documents.deliver(outbound("recapitulatif_famille", family))
    assert opened(receipt).metadata.title == f"Récapitulatif de la famille {name}"
    assert f"{name} | x | grand-parent 06 39 98 01 02" in text_of(receipt)


async def test_letters_of_french_are_all_printed(documents):
    letters = "œŒæÆéèêëàâäîïôöùûüÿçÉÀÇ ’ ‘ « » “ ” – — … € № ° ² ½"
    assert await answer_of(documents, letters) == letters


async def test_names_in_other_scripts_are_printed(documents):
    assert await answer_of(documents, "Ђорђе Παπαδόπουλος Nguyễn Łukasz Ştefan") == (
        "Ђорђе Παπαδόπουλος Nguyễn Łukasz Ştefan"
    )


@given(st.text(max_size=60))
@example("👩‍👧 漢字 ไทย")
@example("n\u0323\u0307 x\u20dd \u0328a\u0489")
@example("a\x00b\x1b[0m\u202egnp.exe\u2028\ue000\U000e0001")
@example("مُحَمَّد שָׁלוֹם")
@example("\u0378\u038d\ufffe")
def test_no_text_keeps_a_document_from_being_accessible(text):
    sheet = {"titre": "Essai", "ville": "Ville", "blocs": [{"sorte": "paragraphe", "texte": shown(text)}]}
    assert PRESS.print(sheet).startswith(b"%PDF-1.7")


PRESS = Press()


@pytest.mark.parametrize(
    ("typed", "printed"),
    [
        ("e\u0301te\u0301", "été"),
        ("a\u202egnp.exe", "agnp.exe"),
        ("un\tdeux\x00trois", "un deux trois"),
        ("un\r\ndeux", "un\ndeux"),
        ("Léa 😀", "Léa �"),
        ("  \u200b ", ""),
    ],
)
def test_what_cannot_be_shown_is_left_out_or_said(typed, printed):
    assert shown(typed) == printed


async def test_lines_of_a_citizen_stay_lines(documents):
    request = REQUEST | {"sections": [{"lignes": [{"libelle": "Message", "valeur": "Bonjour,\n\nmerci."}]}]}
    pdf = opened(await documents.deliver(outbound("recapitulatif_demande", request)))
    assert re.search(r"Bonjour,\s*\n\s*merci\.", pdf.pages[0].extract_text())


async def test_a_word_longer_than_the_page_is_printed_whole_on_the_page(documents):
    word = "x" * 400
    request = REQUEST | {"sections": [{"lignes": [{"libelle": "Lien", "valeur": word}]}]}
    receipt = await documents.deliver(outbound("recapitulatif_demande", request))
    page = opened(receipt).pages[0]
    lines = [len(line) for line in re.findall("x+", page.extract_text())]
    assert sum(lines) == len(word)
    assert max(lines) < 120


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (None, ""),
        (True, "oui"),
        (False, "non"),
        (0, "0"),
        (12.5, "12,5"),
        (167046020, "167046020"),
        ([], ""),
        (["a", "b"], "a, b"),
    ],
)
def test_each_sort_of_answer_is_said_in_french(value, printed):
    champs = {"titre": "t", "numdemande": 1, "sections": [{"lignes": [{"libelle": "l", "valeur": value}]}]}
    body = orjson.dumps({"modele": "recapitulatif_demande", "nom": "n.pdf", "champs": champs})
    assert say(COMPOSER.validate_json(body).model_dump()["champs"]["sections"][0]["lignes"][0]["valeur"]) == printed


@pytest.mark.parametrize(
    ("cents", "printed"),
    [(0, "0,00 €"), (5, "0,05 €"), (1250, "12,50 €"), (123450, "1 234,50 €"), (100000000, "1 000 000,00 €")],
)
async def test_cents_are_written_as_euros(documents, cents, printed):
    text = text_of(await documents.deliver(outbound("recu_paiement", RECEIPT | {"montant": cents})))
    assert f"Montant payé : {printed} –" in text


@pytest.mark.parametrize(
    ("typed", "printed"),
    [
        ("0639980102", "06 39 98 01 02"),
        ("+33 6 39 98 01 02", "06 39 98 01 02"),
        ("+33(0)639980102", "06 39 98 01 02"),
        ("06.39.98.01.02", "06 39 98 01 02"),
        ("+32 470 00 00 00", "+32 470 00 00 00"),
        ("après 18 h", "après 18 h"),
        ("", ""),
    ],
)
def test_a_telephone_is_written_as_it_is_read(typed, printed):
    assert by_pairs(typed) == printed


@pytest.mark.parametrize("modele", ["facture", "", "../client", None])
async def test_an_unknown_template_is_refused(documents, modele):
    message = outbound(modele, RECEIPT)
    with pytest.raises(RefusedError, match="modele_inconnu"):
        await documents.deliver(message)
    assert message.exchange.fault.startswith("modele_inconnu")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"montant": None}, "champs.montant"),
        ({"montant": "12,50"}, "champs.montant"),
        ({"montant": 12.5}, "champs.montant"),
        ({"montant": -1}, "champs.montant"),
        ({"date": "01/09/2026"}, "champs.date"),
        ({"objet": " "}, "champs.objet"),
        ({"surprise": "x"}, "champs.surprise"),
    ],
)
async def test_fields_that_cannot_be_printed_are_refused_by_their_name(documents, change, place):
    message = outbound("recu_paiement", RECEIPT | change)
    with pytest.raises(RefusedError, match="champs_invalides"):
        await documents.deliver(message)
    assert message.exchange.fault == f"champs_invalides: {place}"


@pytest.mark.parametrize("name", ["recu", "recu.exe", "../recu.pdf", ".pdf", "a\nb.pdf", 'a".pdf', "x" * 97 + ".pdf"])
async def test_a_name_that_is_no_file_name_is_refused(documents, name):
    with pytest.raises(RefusedError, match="champs_invalides"):
        await documents.deliver(outbound("recu_paiement", RECEIPT, name))


async def test_a_refusal_never_says_what_a_citizen_wrote(documents):
    message = outbound("recu_paiement", RECEIPT | {"date": "né le 1er mai"})
    with pytest.raises(RefusedError) as caught:
        await documents.deliver(message)
    assert "mai" not in repr(caught.value) + message.exchange.fault
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


async def test_a_sheet_that_cannot_be_set_is_refused_without_its_words(documents):
    documents._shelf["recu_paiement"] = Template("", ())
    with pytest.raises(RefusedError, match="composition") as caught:
        await documents.deliver(outbound("recu_paiement", RECEIPT))
    assert caught.value.__suppress_context__


async def test_what_comes_too_late_may_be_asked_again(documents):
    with pytest.raises(TransientError, match="too_late"):
        await documents.deliver(outbound("recu_paiement", RECEIPT, within=0))
    assert (await documents.deliver(outbound("recu_paiement", RECEIPT))).files


async def test_the_probe_makes_a_document_and_nothing_is_ever_found_again(documents):
    await documents.probe(Deadline(timedelta(seconds=20)))
    assert await documents.look_up(outbound("recu_paiement", RECEIPT)) is None


def test_each_template_has_its_fields_and_each_field_its_place():
    assert {file.stem for file in TEMPLATES.glob("*.txt")} == MODELES.keys()
    for name, model in MODELES.items():
        source = (TEMPLATES / f"{name}.txt").read_text("utf-8")
        named = set(FIELD.findall(source)) | {field for _, field in ORDER.findall(source)}
        last = {field.rpartition(".")[2] for field in named} | {field.partition(".")[0] for field in named}
        assert names_within(names_of(model)) <= last


def names_within(names: dict[str, Any]) -> set[str]:
    return names.keys() | {inner for things in names.values() if things for inner in names_within(things)}


NAMES = {"nom": None, "enfants": {"prenom": None, "amis": {"nom": None}}}


@pytest.mark.parametrize(
    ("source", "line", "expected"),
    [
        ("", 0, "Titre"),
        ("Bonjour", 1, "Titre"),
        ("Titre : [inconnu]", 1, r"\[inconnu\]"),
        ("Titre : x\n\nBonjour [Nom]", 3, r"\[Nom\]"),
        ("Titre : x\n[prénom]", 2, r"\[prénom\]"),
        ("Titre : x\n[enfants]", 2, r"\[enfants\]"),
        ("Titre : x\n- A : [enfants.age]", 2, r"\[enfants.age\]"),
        ("Titre : x\n- A : [amis.nom]", 2, r"\[amis\]"),
        ("Titre : x\n- A : [nom.nom]", 2, "no list"),
        ("Titre : x\n- A : [nom", 2, "not closed"),
        ("Titre : x\n[pour chaque nom]\n[fin]", 2, "no list"),
        ("Titre : x\n[pour chaque chats]\n[fin]", 2, r"\[chats\]"),
        ("Titre : x\n[pour chaque enfants]\n[prenom]", 2, r"no \[fin\]"),
        ("Titre : x\n[pour chaque enfants]\n[fin]\n[prenom]", 4, r"\[prenom\]"),
        ("Titre : x\n[si age]\n[fin]", 2, r"\[age\]"),
        ("Titre : x\n[fin]", 2, "ends nothing"),
        ("Titre : x\n[pour chaque enfants]\n| [amis.nom] [enfants.prenom] |\n[fin]", 3, "one list"),
        ("Titre : x\n| A | B |\n| a |", 3, "cells"),
        ("Titre : x\n| [enfants.prenom] |", 2, "header"),
    ],
)
def test_a_template_that_cannot_be_obeyed_says_where(source, line, expected):
    with pytest.raises(TemplateError, match=expected) as caught:
        Template.parse(source, NAMES)
    assert caught.value.line == line


def test_a_mistake_in_a_template_is_found_at_the_start(tmp_path):
    file = tmp_path / "recu_paiement.txt"
    file.write_text("Titre : Reçu\n\nPayé par [payer]\n", "utf-8")
    with pytest.raises(ConfigurationError, match=r"recu_paiement\.txt:3: .*payer"):
        read_template(file, MODELES["recu_paiement"])
    with pytest.raises(ConfigurationError, match="absent"):
        read_template(tmp_path / "absent.txt", MODELES["recu_paiement"])


def test_blocks_and_rows_are_repeated_for_each_of_a_list():
    source = """Titre : Chez [nom]
[pour chaque enfants]
# [prenom] [nom]
| Ami |
| [amis.nom] |
[si pas amis]
Sans ami
ni [nom].
[fin]
[fin]
- Enfant : [enfants.prenom]
"""
    values = {
        "nom": "X",
        "enfants": [{"prenom": "A", "amis": [{"nom": "M"}, {"nom": None}]}, {"prenom": "B", "amis": []}],
    }
    assert Template.parse(source, NAMES).fill(values) == {
        "titre": "Chez X",
        "blocs": [
            {"sorte": "titre", "niveau": 2, "texte": "A X"},
            {"sorte": "tableau", "entete": ["Ami"], "lignes": [["M"], [""]]},
            {"sorte": "titre", "niveau": 2, "texte": "B X"},
            {"sorte": "paragraphe", "texte": "Sans ami ni X."},
            {"sorte": "liste", "lignes": [["Enfant", "A"], ["Enfant", "B"]]},
        ],
    }


def test_headings_leave_no_level_out_and_are_never_empty():
    template = Template.parse("Titre : x\n## [nom]\n# B\n## C\n## D\n# [nom]\n# E", NAMES)
    blocks = template.fill({"nom": None})["blocs"]
    assert [(block["texte"], block["niveau"]) for block in blocks] == [("B", 2), ("C", 3), ("D", 3), ("E", 2)]
    blocks = template.fill({"nom": "A"})["blocs"]
    assert [block["niveau"] for block in blocks] == [2, 2, 3, 3, 2, 2]


def test_a_template_may_come_from_any_editor(tmp_path):
    file = tmp_path / "recu_paiement.txt"
    file.write_bytes("\ufeffTitre : Reçu\r\n\r\n- Payé :  [montant]\r\n".encode())
    assert read_template(file, MODELES["recu_paiement"]).fill({"montant": 1})["blocs"] == [
        {"sorte": "liste", "lignes": [["Payé", "1"]]}
    ]


def test_the_readme_s_template_is_one():
    source = re.findall(r"```text\n(.*?)```", (FOLDER / "README.md").read_text("utf-8"), re.DOTALL)[0]
    known = {"numdemande": None, "enfants": {"prenom": None, "ecole": None, "classe": None}}
    assert Template.parse(source, known).title == "Votre demande N°\xa0[numdemande]"


def test_the_readme_names_each_field():
    readme = (FOLDER / "README.md").read_text("utf-8")
    for name, model in MODELES.items():
        (row,) = re.findall(rf"^\| `{name}` \|.*$", readme, re.MULTILINE)
        named = set(re.findall(r"`(\w+)`", row))
        assert named - {name} == names_within(names_of(model))


def test_the_published_contract_is_the_one_we_read():
    published = json.loads((FOLDER / "contract" / "composer.json").read_text("utf-8"))
    published.pop("$schema")
    assert published == COMPOSER.json_schema()


@pytest.mark.parametrize("modele", MODELES)
def test_what_the_contract_says_of_a_sample_is_what_we_say(modele):
    published = json.loads((FOLDER / "contract" / "composer.json").read_text("utf-8"))
    validator = jsonschema_rs.validator_for(published, validate_formats=True)
    order = orjson.loads(outbound(modele, SAMPLES[modele]).body)
    assert validator.is_valid(order)
    assert not validator.is_valid(order | {"nom": "../x.pdf"})
    assert not validator.is_valid(order | {"surprise": 1})


def test_it_needs_no_settings_and_knows_one():
    assert Manifest.read(FOLDER).builtin
    assert connect({}, ERRORS)._settings.ville == "Ville"
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        connect({"surprise": True}, ERRORS)
