"""A form is installed while the hub runs, delivered to its service, changed, retired; what came before goes on."""

import json

import pytest

from hub.access import Role
from hub.app import open_hub
from hub.forms.install import differences, install, listed, retire
from hub.forms.model import FormError
from tests.hub.conftest import desk_at

KIND = "formulaire.fete_des_voisins"
PLAN = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"


def submission(**over):
    address = {"voie": "3 rue de l'Opéra", "code_postal": "13100", "commune": "Aix-en-Provence"}
    data = {
        "rue": "Rue Basse",
        "jour": "2026-09-07",
        "barrieres": "oui",
        "livraison": address,
        "voisins": [{"nom": "Noé", "mineur": True, "naissance": "2015-04-02"}, {"nom": "An [rue]"}],
    }
    return {"name": "Martin", "data": {**data, **over}}


@pytest.fixture
def installed(settings, shelf, party):
    """The form is there when the hub starts."""
    return install(shelf, party, settings.places)


@pytest.fixture
async def city(settings):
    """A hub at work, its portal and its operator."""
    async with open_hub(settings) as opened, desk_at(opened) as portal, desk_at(opened, Role.OPERATOR, "*") as operator:
        yield opened, portal, operator


async def test_a_form_is_installed_submitted_and_delivered_without_a_restart(city, settings, shelf, party, mail):
    _, portal, operator = city
    assert (await portal.get(f"/v1/kinds/{KIND}")).status_code == 404
    done = install(shelf, party, settings.places)
    assert (done.kind, done.version, done.error_step) == (KIND, 1, "Erreur courriel")
    assert (await operator.post("/v1/operations/reload")).json()["status"] == "taken"
    shown = (await portal.get(f"/v1/kinds/{KIND}")).json()
    assert shown["schema"]["properties"]["rue"]["title"] == "Rue"
    assert "Erreur courriel" in [stage["stage"] for stage in shown["stages"]]

    upload = {"params": {"name": "plan.pdf"}, "content": PLAN, "headers": {"content-type": "application/octet-stream"}}
    plan = (await portal.post("/v1/attachments", **upload)).json()["id"]
    number = await portal.submitted(KIND, attachments=[plan], **submission(plan=plan))
    shown = await portal.until(number, "done")
    assert shown["message"].endswith("a été remise au service Vie des quartiers.")
    letter = next(one.message for one in mail.mailbox if one.recipients == ("quartiers@ville.example",))
    assert letter["Subject"] == f"Fête des voisins, demande N° {shown['numero']}"
    assert (letter["Reply-To"], [file.get_filename() for file in letter.iter_attachments()]) == (
        "lea@example.org",
        ["plan.pdf"],
    )
    lines = letter.get_body(("plain",)).get_content().splitlines()
    assert "\n".join(lines[7:]) == (
        "— La fête —\nRue : Rue Basse\nJour : 07/09/2026\nBarrières : Oui, à livrer\n"
        "Où les livrer : 3 rue de l'Opéra, 13100 Aix-en-Provence\n\n"
        "— Les voisins —\nVoisin 1 : Nom : Noé ; Mineur : oui ; Naissance : 02/04/2015\nVoisin 2 : Nom : An [rue]\n"
        "Plan : voir la pièce jointe"
    )


async def test_a_request_that_cannot_be_delivered_stands_at_the_form_s_error_step(installed, city, mail):
    _, portal, _ = city
    mail.break_with("unknown_recipient", 9)
    number = await portal.submitted(KIND, **submission())
    shown = await portal.until(number, "parked")
    assert shown["stage"] == "Erreur courriel"
    assert shown["message"] == f"Votre fête N° {shown['numero']} demande une vérification."


async def test_what_the_form_does_not_admit_is_named_in_its_words(installed, city):
    _, portal, _ = city
    wrong = submission(plan="0123456789abcdef0123456789abcdef")
    said = (await portal.submit(KIND, **wrong)).json()["errors"]
    assert [(one["pointer"], one["field"]) for one in said] == [("/data/plan", "Plan")]
    said = (await portal.submit(KIND, **submission(barrieres="non", rue=""))).json()["errors"]
    assert {(one["pointer"], one["field"]) for one in said} == {
        ("/data/rue", "Rue"),
        ("/data/livraison", "Où les livrer"),
    }


async def test_a_new_version_is_for_new_requests_and_a_retired_form_for_none(settings, shelf, party, mail):
    """The door is without an engine: what it took under version 1 is carried after all that followed."""
    install(shelf, party, settings.places)
    async with open_hub(settings, serve=False) as door, desk_at(door) as portal:
        first = await portal.submitted(KIND, "k-1", **submission())
        party["steps"][0]["fields"][1]["title"] = "Voie"
        done = install(shelf, party, settings.places)
        assert (done.version, [change.change for change in done.changes]) == (2, ["title changed"])
        await door.reloader.reload()
        second = await portal.submitted(KIND, "k-2", **submission())
        retire(shelf, "fete_des_voisins")
        await door.reloader.reload()
        gone = await portal.submit(KIND, "k-3", **submission())
        sentence = "La démarche « Fête des voisins » n'est plus proposée."
        assert (gone.status_code, gone.json()["detail"]) == (404, sentence)
        assert (await portal.get(f"/v1/kinds/{KIND}")).json()["detail"] == sentence
        again = await portal.submit(KIND, "k-2", **submission())
        assert (again.status_code, again.json()["numero"].replace(" ", "")) == (202, str(second))
    async with open_hub(settings) as carrying, desk_at(carrying) as portal:
        for number in (first, second):
            await portal.until(number, "done")
        assert (await portal.submit(KIND, "k-4", **submission())).json()["detail"] == sentence
    letters = [one.message.get_content() for one in mail.mailbox if one.recipients == ("quartiers@ville.example",)]
    assert sorted("Voie : Rue Basse" in letter for letter in letters) == [False, True]


def test_every_version_is_kept_and_only_the_one_in_use_is_a_kind(settings, shelf, party, base):
    for title in ("Fête des voisins", "Fête de rue", "Fête de rue"):
        install(shelf, {**party, "title": title}, settings.places)
    assert [shelf.read("fete_des_voisins", version)["title"] for version in shelf.versions("fete_des_voisins")] == [
        "Fête des voisins",
        "Fête de rue",
    ]
    assert shelf.in_use("fete_des_voisins") == 2
    assert sorted(file.name for file in shelf.home.glob("mappings/courriel/*")) == [
        "formulaire_fete_des_voisins_2.yaml",
        "formulaire_fete_des_voisins_2_accuse.yaml",
    ]


def test_a_retired_form_is_installed_again_as_a_new_version(settings, shelf, party, base):
    install(shelf, party, settings.places)
    retire(shelf, "fete_des_voisins")
    assert [one.retired for one in listed(shelf)] == [True]
    with pytest.raises(FormError, match="no form of this code is in use"):
        retire(shelf, "fete_des_voisins")
    assert install(shelf, party, settings.places).version == 2
    assert [(one.version, one.retired) for one in listed(shelf)] == [(2, False)]
    assert dict(shelf.retired()) == {}


def test_forms_whose_codes_begin_alike_leave_each_other_alone(settings, shelf, party, base):
    for code in ("fete", "fete_2"):
        install(shelf, {**party, "code": code}, settings.places)
    retire(shelf, "fete")
    assert len(list(shelf.home.glob("mappings/courriel/formulaire_fete_2_1*.yaml"))) == 2


def test_a_form_that_cannot_work_changes_nothing(settings, shelf, party, base):
    party["steps"][0]["fields"][1]["type"] = "Signature"
    with pytest.raises(FormError, match="there is no type 'Signature'"):
        install(shelf, party, settings.places)
    assert [file.name for file in shelf.home.glob("**/*") if file.name != ".lock"] == []


def test_a_form_beside_files_that_are_wrong_is_refused(settings, shelf, party, base):
    (base / "mappings/gru/autre.yaml").write_text("mapping: [")
    with pytest.raises(FormError) as refused:
        install(shelf, party, settings.places)
    assert refused.value.findings[0].field.endswith("gru/autre.yaml")
    assert shelf.in_use("fete_des_voisins") is None


def test_a_form_is_compared_with_the_version_in_use(settings, shelf, party, base):
    install(shelf, party, settings.places)
    changed = json.loads(json.dumps(party))
    del changed["steps"][1]["fields"][1]
    assert [(one.field, one.breaking) for one in differences(shelf, "fete_des_voisins", changed)] == [("plan", True)]
    with pytest.raises(FormError, match="in use: fete_des_voisins"):
        differences(shelf, "autre", changed)
