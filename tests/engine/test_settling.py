"""What is left to a person may be rejected, sent elsewhere, or taken to the current version, by whoever sees to it."""

import json
from dataclasses import replace

import orjson
import pytest

from hub.acts import Assign, Decide, MissingError, Note, Reject, Reroute, Retry, UnsureError
from hub.catalogue import Definition
from hub.errors import ConflictError
from hub.prospects import prospects
from hub.settlement import ROOM
from hub.targets import Switch
from hub.trials.preview import preview
from hub.trials.stored import find
from hub.verbs import Verb, Why, why_not

UNDO = {"deliver": "cible", "using": "cible/idempotent", "undo": "cible/lookup"}
EVENT = {
    "await": "event",
    "of": "cible",
    "id": "suivi",
    "using": "cible/etat",
    "until": '$answer.etat = "clos"',
    "every": "1h",
    "within": "2d",
    "stage": "En attente",
}
DECISION = {"await": "decision", "id": "avis", "stage": "En cours", "reasons": ["Refusé"]}
ROUTES = {
    "a_reprendre": [UNDO, DECISION, {"deliver": "cible", "id": "suite", "using": "cible/once"}],
    "a_suivre": [{"deliver": "cible", "using": "cible/once"}, EVENT],
}


@pytest.fixture
def home(home):
    """Add the kinds of these tests."""
    for name in ("idempotent", "lookup", "once"):
        file = home / f"mappings/cible/{name}.yaml"
        file.write_text(json.dumps({**json.loads(file.read_text()), "from": "*"}))
    asked = {**json.loads((home / "mappings/cible/once.yaml").read_text()), "mapping": "cible/etat"}
    asked |= {"to": "rest.consulter", "fields": {"dossier": "data.objet"}}
    (home / "mappings/cible/etat.yaml").write_text(json.dumps(asked))
    for kind, steps in ROUTES.items():
        (home / "routes" / kind).mkdir()
        route = {"route": kind, "title": kind, "owner": "essais", "steps": steps}
        (home / "routes" / kind / "route.yaml").write_text(json.dumps(route))
        (home / "routes" / kind / "schema.json").write_text(json.dumps({"type": "object"}))
    return home


async def park(town, kind="once", fault="refused", **data):
    town.target.break_with(fault)
    number = await town.submit(kind, **data)
    await town.settle(number, "parked")
    return number


async def test_what_is_rejected_ends_and_its_request_is_refused(town):
    number = await park(town)
    await town.act(Reject(number * ROOM + 1, "hors de la commune", "console/ana"))
    request, delivery = town.request(number), town.delivery(number)
    assert (request.status, request.stage) == ("refused", "Refusé")
    assert (delivery.state, delivery.code) == ("cancelled", "rejected")
    [said] = town.rows("SELECT actor, note FROM event WHERE request = :n AND kind = 'reject'", n=number)
    assert tuple(said) == ("console/ana", "hors de la commune")


async def test_a_rejection_takes_back_what_was_done_before(town):
    number = await town.submit("a_reprendre")
    await town.until(lambda: town.request(number).awaiting == "avis")
    town.target.break_with("refused")
    await town.act(Decide(number, accepted=True))
    await town.settle(number, "parked")
    await town.act(Reject(town.delivery(number, "suite").id, "non"))
    await town.settle(number, "refused")
    assert town.delivery(number, "cible_undo").state == "delivered"


async def test_what_may_have_been_taken_is_neither_rejected_nor_rerouted(town):
    number = await park(town, fault="cut_after_commit")
    for act in (Reject(number * ROOM + 1, "non"), Reroute(number * ROOM + 1, "cible_annexe")):
        with pytest.raises(UnsureError, match="perhaps taken"):
            await town.act(act)
    assert town.delivery(number).state == "parked"


async def test_a_delivery_is_sent_to_another_target_and_stays_there(town):
    await town.hub.ledger.switch(Switch("cible", paused=True))
    number = await town.submit("once")
    town.change("UPDATE delivery SET state = 'parked', code = 'full' WHERE id = :d", d=number * ROOM + 1)
    await town.act(Reroute(number * ROOM + 1, "cible_annexe", "console/ana"))
    town.hub.engine.wake({"cible_annexe"})
    await town.settle(number, "done")
    assert (town.delivery(number).target, town.taken) == ("cible_annexe", {f"{number}-1": 1})
    [note] = [row.note for row in town.rows("SELECT note FROM event WHERE kind = 'reroute'")]
    assert note == "cible → cible_annexe"


@pytest.mark.parametrize("target", ["rappel", "cible", "nulle_part"])
async def test_it_goes_to_no_target_that_is_not_another_of_its_kind(town, target):
    number = await park(town)
    with pytest.raises(ConflictError, match="no other target"):
        await town.act(Reroute(number * ROOM + 1, target))


async def test_what_follows_goes_where_the_delivery_went(town):
    number = await park(town, "a_suivre")
    await town.act(Reroute(number * ROOM + 1, "cible_annexe"))
    town.hub.engine.wake({"cible_annexe"})
    await town.until(lambda: town.rows("SELECT 1 FROM delivery WHERE step = 'suivi'"))
    assert town.delivery(number, "suivi").target == "cible_annexe"


async def change(town, kind, *, fields=None, schema=None, steps=None):
    """Let another version of a kind be the current one."""
    book = town.hub.ledger.book
    said = json.loads(book.catalogue.kinds[kind].source)
    name = f"cible/{kind}"
    if fields is not None:
        said["mappings"][name] = json.dumps({**json.loads(said["mappings"][name]), "fields": fields})
    if schema is not None:
        said["schema"] = json.dumps(schema)
    if steps is not None:
        said["route"] = json.dumps({**json.loads(said["route"]), "steps": steps})
    definition = Definition.compile(orjson.dumps(said, option=orjson.OPT_SORT_KEYS).decode())
    catalogue = replace(book.catalogue, kinds={**book.catalogue.kinds, kind: definition})
    await town.hub.ledger.keep(catalogue)
    book.take(catalogue, {})
    return catalogue.kinds[kind]


def obstacle(town, number):
    book = town.hub.ledger.book
    seen = town.hub.ledger.look(lambda connection: prospects(book, connection, number * ROOM + 1))
    return why_not(Verb.RETRY_CURRENT, seen.standing)


async def test_a_retry_takes_its_request_to_the_current_version(town):
    number = await park(town)
    new = await change(town, "once", fields={"objet": "'corrigé'"})
    assert obstacle(town, number) is None
    await town.act(Retry(number * ROOM + 1, current=True))
    await town.settle(number, "done")
    sent = town.attempts(number * ROOM + 1)
    assert ("corrigé" in sent[-1].sent.decode(), town.request(number).version) == (True, new.version)
    [note] = [row.note for row in town.rows("SELECT note FROM event WHERE kind = 'retry'")]
    assert note == f"by the version {new.version}"


async def test_what_would_change_is_shown_beforehand(town):
    number = await park(town)
    current = await change(town, "once", fields={"objet": "data.objet", "neuf": "'oui'"})
    stored = town.hub.ledger.look(find, town.hub.ledger.book.vault, number)
    seen = await preview(stored, current, "cible", 0)
    assert (seen.before["objet"], seen.after) == ("CERTIFICAT", {"objet": "certificat", "neuf": "oui"})
    assert {one.path: str(one.cause) for one in seen.differences} == {"objet": "case", "neuf": "added"}
    assert town.delivery(number).state == "parked"


UNFIT = {
    Why.DATA_UNFIT: {"schema": {"type": "object", "required": ["quartier"]}},
    Why.ROUTE_UNFIT: {"steps": [{"deliver": "cible", "id": "autre", "using": "cible/once"}]},
    Why.ALREADY_CURRENT: {},
}


@pytest.mark.parametrize(("why", "changed"), UNFIT.items(), ids=UNFIT)
async def test_a_request_that_does_not_fit_keeps_its_version(town, why, changed):
    number = await park(town)
    await change(town, "once", **changed)
    assert obstacle(town, number) is why
    with pytest.raises(ConflictError, match=why.replace("_", " ")):
        await town.act(Retry(number * ROOM + 1, current=True))
    delivery = town.delivery(number)
    assert (delivery.state, delivery.code) == ("parked", "OBJET_INCONNU")


async def test_corrected_data_may_make_a_request_fit(town):
    number = await park(town)
    new = await change(town, "once", schema={"type": "object", "required": ["quartier"]})
    await town.act(Retry(number * ROOM + 1, data={"objet": "x", "quartier": "Centre"}, current=True))
    await town.settle(number, "done")
    assert town.request(number).version == new.version


async def test_what_was_perhaps_taken_is_not_written_anew(town):
    number = await park(town, fault="cut_after_commit")
    await change(town, "once", fields={"objet": "'autre'"})
    with pytest.raises(UnsureError):
        await town.act(Retry(number * ROOM + 1, current=True))
    await town.act(Retry(number * ROOM + 1, sure=True, current=True))
    await town.settle(number, "done")


async def test_somebody_sees_to_a_request_until_nobody_does(town):
    number = await park(town)
    for owner in ("ana", "bob"):
        await town.act(Assign(number, owner, "console/ana"))
    assert [tuple(row) for row in town.rows("SELECT request, owner FROM assignment")] == [(number, "bob")]
    await town.act(Assign(number, "", "console/bob"))
    assert town.rows("SELECT * FROM assignment") == []
    assert [row.note for row in town.rows("SELECT note FROM event WHERE kind = 'assign' ORDER BY id")] == [
        "ana",
        "bob",
        "",
    ]
    with pytest.raises(MissingError):
        await town.act(Assign(1, "ana"))


async def test_a_cause_has_a_note_until_it_is_forgotten(town):
    cause = ("cible", "full", "Refusé")
    await town.act(Note(*cause, "ana", "éditeur prévenu", "console/ana"))
    await town.act(Note(*cause, "bob", "réparé lundi", "console/bob"))
    [row] = town.rows("SELECT owner, note, actor FROM cause_note")
    assert tuple(row) == ("bob", "réparé lundi", "console/bob")
    await town.act(Note(*cause, actor="console/bob"))
    assert town.rows("SELECT * FROM cause_note") == []
    assert len(town.rows("SELECT 1 FROM event WHERE kind = 'note' AND request IS NULL")) == 3
