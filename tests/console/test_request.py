"""« Détail »: what the page of one request shows to whom, and that its verbs act on what was seen."""

import asyncio
import re
from html import unescape

import pytest
from sqlalchemy import event, insert, select

from connectors.rest.sandbox import Sandbox
from hub.access import EVERY_HOUSE, Principal, Role
from hub.accounts import Right
from hub.app import offer
from hub.catalogue import read_catalogue
from hub.looks import REVEALED
from hub.tables import DELIVERIES, EVENTS
from hub.tables_operations import PLACES
from monitoring.console.request_address import Asked
from monitoring.console.request_view import see
from tests.conftest import fresh
from tests.console.conftest import serving

EVERYTHING_BUT_CONTENT = [right for right in Right if right is not Right.CONTENT]
SECRETS = ("Lefèvre", "Léa", "lea@example.org", "06 39 98 12 34", "un objet très privé")
PRIVATE = {"objet": "un objet très privé"}


async def until(console, number, *states):
    """Wait until the first delivery of a request is in one of these states."""

    def read(connection):
        return connection.execute(select(DELIVERIES).where(DELIVERIES.c.request == number)).first()

    async with asyncio.timeout(15):
        while (row := await console.hub.ledger.read(read)) is None or row.state not in states:
            await asyncio.sleep(0.02)
    return row


async def parked(console, target, kind="essai", fault="refused", states=("parked",), **over):
    """Submit a request whose delivery ends up with a person."""
    target.break_with(fault)
    number = await console.submit(kind, **over)
    await until(console, number, *states)
    return number


def stamp_in(page):
    return re.search(r'name="vu" value="([^"]+)"', page)[1]


async def events(console, number, kind):
    def read(connection):
        mine = EVENTS.c.request == number, EVENTS.c.kind == kind
        return connection.execute(select(EVENTS).where(*mine).order_by(EVENTS.c.id)).all()

    return await console.hub.ledger.read(read)


@pytest.fixture
async def second_target():
    """Another target of the same connector."""
    sandbox = Sandbox()
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture
def settings(settings, target, second_target):
    """The installation with a second target, and an operation whose deliveries two people close."""
    operations = target.settings()["operations"]
    operations = {**operations, "signaler": {**operations["signaler"], "four_eyes": True}}
    said = settings.targets["cible"]
    first = said.model_copy(update={"settings": {**target.settings(), "operations": operations}})
    second = said.model_copy(update={"settings": second_target.settings()})
    return settings.model_copy(update={"targets": {"cible": first, "cible_bis": second}})


def path(number, rest=""):
    return f"/console/demandes/{number:09d}{rest}"


async def seen(browser, number):
    """Open the page, and give what its forms say was seen."""
    return stamp_in((await browser.get(path(number))).text)


@pytest.mark.parametrize("reading", ["usager", "agent", "integrateur"])
@pytest.mark.parametrize("rights", [tuple(Right), EVERYTHING_BUT_CONTENT, [Right.METADATA]])
async def test_nothing_of_the_data_is_in_the_page_before_somebody_reveals_it(console, target, rights, reading):
    number = await parked(console, target, data=PRIVATE)
    agnes = await console.enter(rights=rights)
    page = await agnes.get(path(number, f"?lecture={reading}"))
    assert page.status_code == 200
    assert [said for said in SECRETS if said in unescape(page.text)] == []
    assert 'data-path="data.objet"' in page.text


async def test_contents_are_shown_once_to_who_says_why_and_the_audit_says_so(console, target):
    number = await parked(console, target, data=PRIVATE)
    agnes = await console.enter()
    refused = await agnes.submit(path(number, "/contenu"), motif="  ")
    assert refused.status_code == 422
    assert not any(said in unescape(refused.text) for said in SECRETS)
    assert await events(console, number, REVEALED) == []
    page = await agnes.submit(path(number, "/contenu"), motif="Appel de l'usager")
    assert all(said in unescape(page.text) for said in SECRETS)
    [look] = await events(console, number, REVEALED)
    assert (look.actor, "Appel de l'usager" in look.note) == ("console/agnes", True)
    again = unescape((await agnes.get(path(number))).text)
    assert not any(said in again for said in SECRETS)
    assert "Appel de l'usager" in again  # in the panel that says who looked


async def test_who_may_not_see_contents_sees_none_and_leaves_no_trace(console, target):
    number = await parked(console, target, data=PRIVATE)
    bruno = await console.enter("bruno", rights=EVERYTHING_BUT_CONTENT)
    for where, fields in (("/contenu", {}), ("/envois/1/corriger", {"ouvrir": "oui", "vu": "x"})):
        answer = await bruno.submit(path(number, where), motif="Pour voir", **fields)
        assert answer.status_code == 403
        assert "un objet" not in answer.text
    assert await events(console, number, REVEALED) == []


async def test_a_verb_is_listed_with_the_right_that_it_takes(console, target):
    number = await parked(console, target)
    bruno = await console.enter("bruno", rights=[Right.METADATA])
    page = (await bruno.get(path(number))).text
    assert "Il vous manque un droit : Relancer." in page
    assert "Il vous manque un droit : Finaliser." in page
    assert 'name="vu"' not in page
    answer = await bruno.submit(path(number, "/envois/1/relancer"), vu="x")
    assert answer.status_code == 403
    assert (await until(console, number, "parked")).attempts == 1


@pytest.mark.parametrize("kept_to", [{"sites": frozenset({"annexe"})}, {"kinds": frozenset({"avis"})}])
async def test_a_request_of_somebody_elses_is_not_there(console, target, kept_to):
    number = await parked(console, target)
    bruno = await console.enter("bruno", **kept_to)
    assert (await bruno.get(path(number))).status_code == 404
    for where in ("/contenu", "/assigner", "/envois/1/relancer", "/envois/1/finaliser", "/envois/1/corriger"):
        answer = await bruno.submit(path(number, where), motif="m", reference="r", owner="bruno", vu="x", ouvrir="oui")
        assert answer.status_code == 404, where
    assert (await bruno.get(path(number, "/envois/1/version-courante"))).status_code == 404
    assert (await until(console, number, "parked")).attempts == 1
    assert await events(console, number, REVEALED) == []


@pytest.mark.parametrize("where", ["/console/demandes/999999999", "/console/demandes/rien", "/console/demandes/1/x"])
async def test_what_is_nobodys_request_is_no_page(console, where):
    agnes = await console.enter()
    assert (await agnes.get(where)).status_code == 404


async def test_of_two_people_one_acts_and_the_other_is_told_what_changed_and_by_whom(console, target):
    number = await parked(console, target)
    agnes, bruno = await console.enter("agnes"), await console.enter("bruno")
    before, other = await seen(agnes, number), await seen(bruno, number)
    done = await bruno.submit(path(number, "/envois/1/rejeter"), vu=other, motif="Hors sujet")
    assert (done.status_code, done.headers["location"]) == (303, path(number, "?envoi=1&dit=rejeter"))
    for slug, fields in (("relancer", {}), ("finaliser", {"motif": "m", "reference": "BO-1"})):
        answer = await agnes.submit(path(number, f"/envois/1/{slug}"), vu=before, **fields)
        assert answer.status_code == 409
        alert = answer.text[answer.text.index('id="moved"') :][:2000]
        assert "la demande a changé" in alert
        assert "console/bruno" in alert
        assert "rejeté" in alert
    assert (await until(console, number, "cancelled")).attempts == 1
    assert len(target.taken()) == 0


async def test_what_was_tried_meanwhile_is_no_longer_what_was_seen(console, target):
    number = await parked(console, target)
    agnes, bruno = await console.enter("agnes"), await console.enter("bruno")
    before = await seen(agnes, number)
    target.break_with("refused")
    await bruno.submit(path(number, "/envois/1/relancer"), vu=await seen(bruno, number))
    async with asyncio.timeout(10):
        while len(await events(console, number, "retry")) < 1 or (await until(console, number, "parked")).attempts < 1:
            await asyncio.sleep(0.02)
    answer = await agnes.submit(path(number, "/envois/1/relancer"), vu=before)
    assert answer.status_code == 409
    assert len(await events(console, number, "retry")) == 1


@pytest.mark.parametrize("forged", ["", "x", "1-", f"{10**20}-00"])
async def test_a_form_that_says_nothing_of_what_was_seen_does_nothing(console, target, forged):
    number = await parked(console, target)
    agnes = await console.enter()
    assert (await agnes.submit(path(number, "/envois/1/relancer"), vu=forged)).status_code == 409
    assert await events(console, number, "retry") == []


async def test_an_incomplete_form_comes_back_as_it_was_typed(console, target):
    number = await parked(console, target)
    agnes = await console.enter()
    answer = await agnes.submit(path(number, "/envois/1/finaliser"), vu=await seen(agnes, number), motif="Au guichet")
    assert answer.status_code == 422
    assert 'value="Au guichet"' in answer.text
    assert 'id="finaliser-reference-error">Ce champ est obligatoire.' in answer.text
    assert (await until(console, number, "parked")).reference == ""


async def test_what_is_wrong_with_a_correction_stands_beside_its_field(console, target):
    number = await parked(console, target)
    agnes = await console.enter()
    where, before = path(number, "/envois/1/corriger"), await seen(agnes, number)
    typed = {"/data/objet": "o" * 201, "/data/rues": "[1]"}
    answer = await agnes.submit(where, vu=before, **typed)
    assert answer.status_code == 422
    assert 'id="f-data-objet-error">au plus 200 caractères' in answer.text
    assert 'id="f-data-rues-error">/0 : un texte est attendu' in unescape(answer.text)
    answer = await agnes.submit(where, vu=before, **{"/data/objet": "o", "/data/rues": "[1"})
    assert "Ce n'est pas du JSON valide." in unescape(answer.text)
    answer = await agnes.submit(where, vu=before, **{"/data/objet": "o", "/data/rues": '["rue Émile-Zola"]'})
    assert answer.status_code == 303
    await until(console, number, "delivered")
    assert len(target.taken()) == 1


async def test_a_correction_that_nobody_opened_shows_what_was_typed_and_nothing_of_the_ledger(console, target):
    number = await parked(console, target, data=PRIVATE)
    agnes = await console.enter()
    typed = {"doit_affirmer": "1", "/data/rues": '["rue tapée"]'}
    for fields in ({"doit_affirmer": "1"}, typed, {"/data/rues": "[1"}, {"/data/rues": "[1]"}):
        answer = await agnes.submit(path(number, "/envois/1/corriger"), **fields)
        assert answer.status_code == 422
        assert not [secret for secret in SECRETS if secret in answer.text]
        assert ("rue tapée" in answer.text) is (fields is typed)
    assert await events(console, number, REVEALED) == []


@pytest.mark.parametrize("number", [str(2**64), str(10**9), "9" * 5_000], ids=["64 bits", "ten digits", "thousands"])
async def test_a_number_that_no_request_has_is_no_page(resting_console, number):
    agnes = await resting_console.enter()
    for rest in ("", "/envois/1/version-courante"):
        assert (await agnes.get(f"/console/demandes/{number}{rest}")).status_code == 404
    for rest in ("/contenu", "/assigner", "/envois/1/relancer", "/envois/1/corriger"):
        assert (await agnes.submit(f"/console/demandes/{number}{rest}", motif="m")).status_code == 404
    assert (await agnes.submit(f"/console/demandes/1/envois/{'9' * 5_000}/relancer")).status_code == 404


async def test_a_place_is_exact_for_who_may_see_contents_and_a_district_for_others(resting_console):
    number = await resting_console.submit()
    place = {"request": number, "kind": "essai", "district": "Nord", "longitude": 5.456789, "latitude": 43.521234}
    with resting_console.hub.ledger.engine.begin() as connection:
        connection.execute(insert(PLACES), place)
    agnes = await resting_console.enter()
    bruno = await resting_console.enter("bruno", rights=EVERYTHING_BUT_CONTENT)
    exact, rough = [(await person.get(path(number))).text for person in (agnes, bruno)]
    assert 'data-latitude="43.521234"' in exact
    assert "Nord" in rough
    assert "43.52" not in rough
    assert "5.45" not in rough


async def test_who_sees_to_a_request_is_written_down(console, target):
    number = await parked(console, target)
    agnes = await console.enter()
    answer = await agnes.submit(path(number, "/assigner"), moi="oui")
    assert answer.status_code == 303
    assert "<dd>agnes</dd>" in (await agnes.get(answer.headers["location"])).text
    await agnes.submit(path(number, "/assigner"), owner="")
    assert "<dd>personne</dd>" in (await agnes.get(path(number))).text


MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)>"


async def test_no_value_becomes_markup(console, target):
    target.break_with("maintenance", times=-1)
    number = await console.submit("sans_retour", data={"objet": MARKUP}, external_reference=MARKUP)
    await until(console, number, "parked")
    agnes = await console.enter()
    fields = {"motif": MARKUP, "commentaire": MARKUP, "reference": MARKUP}
    await agnes.submit(path(number, "/envois/1/finaliser"), vu=await seen(agnes, number), **fields)
    pages = [
        await agnes.get(path(number, "?lecture=integrateur")),
        await agnes.submit(path(number, "/contenu"), motif=MARKUP),
        await agnes.get(path(number, "?dit=%3Cscript%3E&dans=%22%3E%3Cscript%3Ealert(1)")),
        await agnes.submit(path(number, "/envois/1/corriger"), motif="Pour voir", ouvrir="oui", vu="x"),
    ]
    for page in pages:
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "<img src=x" not in page.text
    assert "Service momentanément indisponible" in pages[1].text
    assert "<h1>Service momentanément" not in pages[1].text


async def test_a_request_leads_to_the_one_before_and_after_it_within_its_list(console, target):
    numbers = [await console.submit(kind, key=f"k-{rank}") for rank, kind in enumerate(["essai", "avis", "essai"])]
    agnes = await console.enter()

    def beside(page, rel):
        found = re.search(rf'rel="{rel}" href="/console/demandes/(\d+)', page.text)
        return int(found[1]) if found else None

    page = await agnes.get(path(numbers[1]))
    assert (beside(page, "prev"), beside(page, "next")) == (numbers[2], numbers[0])
    page = await agnes.get(path(numbers[2], "?dans=kind%3Dessai"))
    assert (beside(page, "prev"), beside(page, "next")) == (None, numbers[0])
    assert 'href="/console/demandes?kind=essai"' in page.text
    assert "dans=kind%3Dessai" in page.text


async def test_the_current_version_is_shown_before_it_is_taken(console, target, settings):
    number = await parked(console, target, data=PRIVATE)
    agnes = await console.enter()
    assert "La demande suit déjà la version courante" in unescape((await agnes.get(path(number))).text)
    mapping = settings.homes[0] / "mappings/cible/deposer.yaml"
    changed = (
        mapping.read_text()
        .replace("objet: data.objet,", "objet: $upper(data.objet),")
        .replace("expect: {objet: o,", "expect: {objet: O,")
    )
    mapping.write_text(changed)
    catalogue = offer(read_catalogue(settings), console.hub.targets)
    await console.hub.ledger.keep(catalogue)
    console.hub.ledger.book.take(catalogue, {})
    preview = await agnes.get(path(number, "/envois/1/version-courante"))
    assert "autres majuscules" in preview.text
    assert not any(said in unescape(preview.text) for said in SECRETS)
    answer = await agnes.submit(path(number, "/envois/1/version-courante"), vu=stamp_in(preview.text))
    assert answer.status_code == 303
    await until(console, number, "delivered")
    sent = await agnes.submit(path(number, "/contenu"), motif="Vérifier")
    assert "UN OBJET TRÈS PRIVÉ" in sent.text
    page = await agnes.get(path(number))
    assert "une antérieure" in page.text
    assert "échec puis réussite" in page.text


@pytest.fixture
def on_a_server(postgres_server, postgres_template):
    """An empty ledger on PostgreSQL."""
    yield from fresh(postgres_server, postgres_template)


async def test_the_page_and_its_verbs_work_on_a_server(settings, target, hashed, on_a_server):
    async with serving(settings.model_copy(update={"database": on_a_server}), hashed) as console:
        number = await parked(console, target, external_reference="REF-1")
        agnes = await console.enter()
        done = await agnes.submit(path(number, "/envois/1/relancer"), vu=await seen(agnes, number))
        assert done.status_code == 303
        await until(console, number, "delivered")
        assert "échec puis réussite" in (await agnes.get(path(number, "?dans=state%3Dparked"))).text


async def test_everything_is_read_by_key(console, target):
    number = await parked(console, target, external_reference="REF-1")
    ledger, asked = console.hub.ledger, Asked(number=number)
    plans = []

    def explain(_connection, cursor, statement, parameters, _context, _many):
        if statement.startswith("SELECT"):
            rows = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            plans.extend(row[3] for row in rows)

    principal = Principal(prefix="agnes", front_end=EVERY_HOUSE, role=Role.OPERATOR)
    event.listen(ledger.engine, "before_cursor_execute", explain)
    try:
        sight = await ledger.read(see, ledger.book, principal, asked)
    finally:
        event.remove(ledger.engine, "before_cursor_execute", explain)
    assert sight.dossier.request.number == number
    tables = r"(request|delivery|attempt|event|decision|revision|attachment|finalization|assignment|place|business_key)"
    assert len(plans) > 10
    assert [plan for plan in plans if re.fullmatch(rf"SCAN {tables}", plan)] == []
