"""Every route of the console: who is let in, by which right, and that what is another's is not there.

The table below names every route. One that it lacks fails a test, so that nobody adds a page without saying who may.
"""

import re
from dataclasses import dataclass, field

import pytest

from hub.access import Role, new_key
from hub.accounts import Right
from hub.keys import add_keys
from hub.tables import EVENTS, REQUESTS
from monitoring.console.app import ROUTERS
from monitoring.console.page_rights import MEANINGS
from monitoring.console.texts import catalogue
from tests.console.test_decisions import PNG

OPEN, ANYBODY = "open", "anybody"
"""Who may come without being in, and who needs no right once in."""


@dataclass(frozen=True)
class Row:
    """One route: the rights that it takes, what its form says, and whether what it names is of no kind or site."""

    method: str
    path: str
    takes: object
    form: dict = field(default_factory=dict)
    shared: bool = False

    @property
    def id(self):
        return f"{self.method} {self.path}"

    @property
    def names_something(self):
        return "{" in self.path and not self.shared

    @property
    def rights(self):
        return self.takes if isinstance(self.takes, tuple) else ()


SEES = (Right.METADATA,)
REQUEST = "/demandes/{number:digits}"
DELIVERY = f"{REQUEST}/envois/{{ordinal:digits}}"
BATCH = "/lots/{batch}"

TABLE = (
    Row("GET", "/connexion", OPEN),
    Row("POST", "/connexion", OPEN),
    Row("GET", "/connexion/identite", OPEN),
    Row("GET", "/connexion/retour", OPEN),
    Row("GET", "/connexion/sortie", OPEN),
    Row("POST", "/sortie", ANYBODY),
    Row("GET", "/mes-droits", ANYBODY),
    Row("POST", "/mes-droits/preferences", ANYBODY, {"language": "fr"}),
    Row("POST", "/mes-droits/mot-de-passe", ANYBODY),
    Row("GET", "/", SEES),
    Row("GET", "/causes", (Right.RETRY,)),
    Row("POST", "/causes", (Right.RETRY,)),
    Row("POST", "/logiciels/{name}/pause", (Right.CONFIGURE,), {"reason": "r"}, shared=True),
    Row("POST", "/logiciels/{name}/reprise", (Right.CONFIGURE,), shared=True),
    Row("GET", "/demandes", SEES),
    Row("GET", "/demandes/filtrer", SEES),
    Row("POST", "/demandes/recherche", SEES, {"q": "x"}),
    Row("POST", "/demandes/vues", SEES),
    Row("POST", "/demandes/vues/oublier", SEES),
    Row("GET", "/lots", SEES),
    Row("POST", "/lots/plan", SEES),
    Row("GET", BATCH, SEES),
    Row("GET", f"{BATCH}/suivi", SEES),
    Row("GET", f"{BATCH}/commandes", SEES),
    Row("GET", f"{BATCH}/lignes.csv", SEES),
    Row("POST", f"{BATCH}/lancer", (Right.METADATA, Right.DECIDE), {"reason": "r"}),
    Row("POST", f"{BATCH}/{{wish}}", (Right.METADATA, Right.DECIDE)),
    Row("GET", REQUEST, SEES),
    Row("POST", f"{REQUEST}/contenu", (Right.CONTENT,), {"motif": "m"}),
    Row("POST", f"{REQUEST}/assigner", SEES, {"owner": "x"}),
    Row("GET", f"{DELIVERY}/version-courante", (Right.METADATA, Right.RETRY)),
    Row("POST", f"{DELIVERY}/corriger", (Right.METADATA, Right.RETRY, Right.CONTENT), {"ouvrir": "oui", "motif": "m"}),
    Row("POST", f"{DELIVERY}/{{slug}}", (Right.METADATA, Right.FINALIZE), {"vu": "x", "motif": "m", "reference": "r"}),
    Row("GET", "/decisions", (Right.DECIDE,)),
    Row("GET", "/decisions/{number}", (Right.DECIDE,)),
    Row("POST", "/decisions/{number}", (Right.DECIDE,), {"accept": "true", "step": "instruction", "seen": "0"}),
    Row("GET", "/pieces/{paper}", (Right.CONTENT,)),
    Row("GET", "/carte", SEES),
    Row("GET", "/carte/points.geojson", SEES),
    Row("GET", "/carte/quartiers.geojson", SEES),
    Row("GET", "/statistiques", SEES),
    Row("GET", "/statistiques/tableau.csv", SEES),
    Row("GET", "/statistiques/ouvertes.csv", SEES),
    Row("GET", "/statistiques/graphique.svg", SEES),
    Row("GET", "/journal", (Right.AUDIT,)),
)

CHANGES_NOTHING = {"csrf": re.compile(r'csrf" value="[^"]*"|X-CSRF-Token": "[^"]*"')}


@pytest.fixture
async def objects(resting_console):
    """Something of each: a request under way, one that awaits a decision with a paper, and a batch about it."""
    ledger = resting_console.hub.ledger
    text, key = new_key(resting_console.hub.secret, ledger.book.now(), front_end="portail", role=Role.FRONT_END)
    await ledger.write(add_keys, key)
    headers = {"Authorization": f"Bearer {text}"}
    desk = resting_console.stranger()
    sent = (await desk.post("/v1/attachments", files={"file": ("photo.png", PNG)}, headers=headers)).json()["id"]
    under_way = await resting_console.submit("essai", "k-1")
    awaiting = await resting_console.submit("avis", "k-2", attachments=[sent])
    agnes = await resting_console.enter("agnes")
    page = (await agnes.get(f"/console/decisions/{awaiting}")).text
    plan = await agnes.submit("/console/lots/plan", verb="decide", accept="1", subject=str(awaiting * 1000))
    there = {
        "number:digits": f"{under_way:09d}",
        "number": str(awaiting),
        "ordinal:digits": "1",
        "slug": "finaliser",
        "wish": "pause",
        "batch": re.search(r"/lots/(\d+)", plan.headers["location"])[1],
        "paper": re.search(r"/console/pieces/([0-9a-f]{32})", page)[1],
        "name": "cible",
    }
    return agnes, there


NOWHERE = {"number:digits": "999999999", "number": "999999999", "batch": "999999999", "paper": "0" * 32}
"""What names nothing of a kind that there is."""


def address(row, named):
    """Write a route's address with what it names."""
    return "/console" + re.sub(r"\{([^}]+)\}", lambda found: named[found[1]], row.path)


async def ask(browser, row, named):
    """Ask for a route as its page does."""
    where = address(row, named)
    return await (browser.get(where) if row.method == "GET" else browser.submit(where, **row.form))


def same(answer):
    """Give what an answer says, but for the token of who asks."""
    return answer.status_code, CHANGES_NOTHING["csrf"].sub("", answer.text)


async def kept(console):
    """Give what the ledger keeps of requests, and how much was written about them."""
    return await console.hub.ledger.read(
        lambda c: (
            [tuple(row) for row in c.execute(REQUESTS.select().order_by(REQUESTS.c.number))],
            len(c.execute(EVENTS.select()).all()),
        )
    )


def test_every_route_is_in_the_table_once():
    routes = [(method, route.path) for one in ROUTERS for route in one.routes for method in route.methods]
    assert sorted(routes) == sorted((row.method, row.path) for row in TABLE)


async def test_who_is_not_in_is_led_to_the_entrance_by_every_route(resting_console, objects):
    _, there = objects
    stranger, before = resting_console.stranger(), await kept(resting_console)
    wrong = []
    for row in TABLE:
        answer = await ask(stranger, row, there)
        led = answer.status_code == 303 and answer.headers["location"].startswith("/console/connexion?suite=")
        if row.takes != OPEN and not led:
            wrong.append((row.id, answer.status_code))
    assert wrong == []
    assert await kept(resting_console) == before


async def test_who_lacks_a_right_is_told_which_by_every_route_that_takes_it(resting_console, objects):
    _, there = objects
    before = await kept(resting_console)
    lacking = {
        right: await resting_console.enter(f"sans-{right}", rights=[one for one in Right if one != right])
        for right in Right
    }
    wrong = []
    for row in TABLE:
        for right in row.rights:
            answer = await ask(lacking[right], row, there)
            says = catalogue("fr").gettext(MEANINGS[right][0]) in answer.text
            if answer.status_code != 403 or not says:
                wrong.append((row.id, right, answer.status_code))
    assert wrong == []
    assert await kept(resting_console) == before


@pytest.mark.parametrize("kept_to", [{"sites": frozenset({"ailleurs"})}, {"kinds": frozenset({"sans_retour"})}])
async def test_what_is_anothers_is_not_there_under_any_route(resting_console, objects, kept_to):
    agnes, there = objects
    bruno, before = await resting_console.enter("bruno", **kept_to), await kept(resting_console)
    wrong = []
    for row in [row for row in TABLE if row.names_something]:
        anothers, nobodys = await ask(bruno, row, there), await ask(bruno, row, {**there, **NOWHERE})
        if anothers.status_code != 404 or same(anothers) != same(nobodys):
            wrong.append((row.id, anothers.status_code, nobodys.status_code))
    assert wrong == []
    assert await kept(resting_console) == before
    for row in [row for row in TABLE if row.names_something]:
        assert (await ask(agnes, row, there)).status_code != 404, row.id


async def test_what_is_anothers_is_not_there_in_any_list(resting_console, objects):
    _, there = objects
    bruno = await resting_console.enter("bruno", kinds=frozenset({"sans_retour"}))
    shown = re.compile("|".join((there["number:digits"], there["number"], there["paper"], "Lefèvre")))
    for row in [row for row in TABLE if row.method == "GET" and "{" not in row.path and row.takes != OPEN]:
        answer = await ask(bruno, row, there)
        assert not shown.search(answer.text), row.id


async def test_reasons_of_anothers_step_are_not_offered_to_who_ticks_its_number(resting_console, objects):
    _, there = objects
    said = {"subject": str(int(there["number"]) * 1000)}
    offered = "Justificatif de domicile invalide"
    everywhere = await resting_console.enter("lise")
    assert offered in (await everywhere.submit("/console/lots/plan", **said)).text
    bruno = await resting_console.enter("bruno", kinds=frozenset({"sans_retour"}))
    assert offered not in (await bruno.submit("/console/lots/plan", **said)).text
    wrong = {"verb": "decide", "reason": "non"}
    assert "Un refus donne ici" in (await everywhere.submit("/console/lots/plan", **said, **wrong)).text
    assert "Un refus donne ici" not in (await bruno.submit("/console/lots/plan", **said, **wrong)).text


async def test_a_request_is_given_to_somebody_by_who_may_do_something_about_it(resting_console, objects):
    _, there = objects
    looker = await resting_console.enter("regarde", rights=[Right.METADATA])
    answer = await looker.submit(f"/console/demandes/{there['number:digits']}/assigner", moi="1")
    assert answer.status_code == 403
