"""What is in the audit of a hub at work: every act, every look, every refusal; and nothing that a citizen wrote."""

import ast
import asyncio
import errno
import os
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from sqlalchemy import delete, insert, select
from structlog.testing import capture_logs

from hub.access import Role, new_key
from hub.acts import DO, Decide, Done
from hub.anchor import read_anchors
from hub.app import open_hub
from hub.audit import Chain, Outcome
from hub.audit_door import SHOWN, heed
from hub.audit_keeper import AuditKeeper
from hub.audit_pages import Sought, every_line, newest
from hub.audit_verify import verify
from hub.audited import AUDITED, CODES, NAMED_OTHERWISE, OF_THE_LEDGER, told_of_act
from hub.clock import system_clock
from hub.denials import MOST_APART, TOGETHER, Denial, Denials
from hub.errors import ConflictError
from hub.problems import MEDIA_TYPE
from hub.reload_door import PLACE as RELOAD
from hub.settings import HOME
from hub.settings_audit import AuditSettings
from hub.tables_audit import AUDIT_HEAD
from hub.verbs import Why
from hub.wishes import MissingError, NotNowError

CANARY = "Ginette Ravel-Canari"

NOT_AUDITED = {
    "_describe": "a file that a front end sends: the ledger has it",
    "advance": "a turn of a batch: its start was told, with the digest of its rows",
    "begin": "since when the hub purges by itself",
    "alive": "a question of whoever watches the hub",
    "census.put_down": "figures that the hub counts by itself",
    "doom_orphans": "files that nobody asked for, found by the hub itself",
    "forget": "files that nobody asked for, found by the hub itself",
    "halt": "a batch that the hub stops by itself",
    "keep": "a plan does nothing: its start is told",
    "keep_used": "when a key was last used",
    "leave": "told by the page beside it",
    "operation": "start or steer, as the caller says",
    "put_down": "a purge's figures: told beside it",
    "register": "the names of keys, as the hub starts",
    "see": "a sign of life",
    "self._claim": "the confirmer's own work",
    "self._look": "the engine's own work",
    "self._prune": "tells itself",
    "self._purge": "told as a whole beside it",
    "self._record": "the confirmer's own work",
    "spend": "a sign-in's state: its end is told",
    "take_turns": "which process asks a target how it is",
    "views.forget_view": "a person's own search",
    "views.keep_view": "a person's own search",
}
"""Operations handed to the ledger that leave no row, and why."""


@pytest.fixture
def database(tmp_path):
    """What stands on both databases is tried there; who is told what needs one."""
    return f"sqlite:///{tmp_path}/hub.db"


@pytest.fixture
async def desk(resting, open_desk):
    return await open_desk(resting)


async def rows(opened, **sought):
    """Read the audit, what is untold first written down."""
    await opened.keeper.write_denials(everything=True)
    return await opened.ledger.read(newest, Sought(**sought))


async def told(opened, **sought):
    return [(row.actor, row.action, row.object, row.outcome) for row in await rows(opened, **sought)]


def wanted(kind):
    """Make an act each of whose texts is a citizen's name."""
    texts = {
        field.name: CANARY
        for field in fields(kind)
        if field.name not in {*CODES, *NAMED_OTHERWISE} and field.type == "str"
    }
    whose = {"data": {"nom": CANARY}} if any(field.name == "data" for field in fields(kind)) else {}
    need = {
        "number": 100_000_042,
        "delivery": 100_000_042_001,
        "accepted": True,
        "target": "cible",
        "code": "x",
        "stage": "y",
    }
    given = {name: value for name, value in need.items() if any(field.name == name for field in fields(kind))}
    return kind(**{**texts, **whose, **given, "actor": "console/agnes"})


@pytest.mark.parametrize("kind", DO, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    ("came", "outcome"),
    [(Done(1), Outcome.DONE), (NotNowError(Why.ENDED), Outcome.DENY), (ConflictError(CANARY), Outcome.DENY)],
)
def test_every_act_leaves_a_row_done_or_refused_and_no_word_that_was_typed(kind, came, outcome):
    [entry] = told_of_act(None, wanted(kind), came)
    assert (entry.actor, entry.action, entry.outcome) == ("console/agnes", kind.__name__.lower(), outcome)
    assert entry.about
    row = Chain(b"secret", system_clock)._row(1, 0, entry)
    assert CANARY not in orjson.dumps(row).decode()


def test_an_act_on_what_does_not_exist_is_the_doors_to_tell():
    assert list(told_of_act(None, wanted(Decide), MissingError(""))) == []


def test_every_operation_of_the_ledger_is_audited_or_has_a_reason_not_to_be():
    known = {operation.__name__ for operation in AUDITED} | NOT_AUDITED.keys()
    assert {name for name in written_operations() if name not in known} == set()


def written_operations():
    """Find what is handed to `ledger.write`, wherever that is."""
    for home in (HOME / "hub", HOME / "monitoring"):
        for file in home.rglob("*.py"):
            text = file.read_text("utf-8")
            for node in ast.walk(ast.parse(text)) if "ledger.write(" in text else ():
                match node:
                    case ast.Call(func=ast.Attribute(attr="write", value=whose), args=[operation, _]):
                        if ast.unparse(whose).endswith("ledger"):
                            yield ast.unparse(operation)


def test_the_ledgers_own_verbs_that_people_ask_for_are_audited():
    assert {operation.__name__ for operation in OF_THE_LEDGER} == {"act", "switch", "keep"}


async def test_a_decision_and_a_refused_one_are_rows(resting, desk, open_desk):
    number = await desk.submitted("avis")
    agent = await open_desk(resting, Role.AGENT, "*")
    assert (await agent.post(f"/v1/requests/{number}/decision", json={"accept": True})).status_code == 200
    assert (await agent.post(f"/v1/requests/{number}/decision", json={"accept": True})).status_code == 409
    found = [row[1:] for row in await told(resting, about=f"request {int(number):09d}")]
    assert found == [
        ("decide", f"request {int(number):09d}", "deny"),
        ("decide", f"request {int(number):09d}", "done"),
    ]


async def test_a_targets_switch_is_a_row(running, operator):
    await operator.post("/v1/operations/targets/cible/pause", json={"reason": CANARY})
    await operator.post("/v1/operations/targets/cible/resume")
    assert [row[1] for row in await told(running, about="target cible")] == ["resume", "pause"]


async def test_what_a_front_end_submits_and_reads_is_no_row(resting, desk):
    number = await desk.submitted()
    assert (await desk.get(f"/v1/requests/{number}")).status_code == 200
    assert [row for row in await told(resting) if row[0].startswith("libreair")] == []


async def test_contents_shown_to_an_operator_are_a_row(resting, desk, open_desk):
    number = await desk.submitted()
    operator = await open_desk(resting, Role.OPERATOR, "*")
    assert (await operator.get(f"/v1/operations/deliveries/{number}-1")).status_code == 200
    [(actor, *row)] = await told(resting, about=f"delivery {number}-1")
    assert actor.startswith("*/")
    assert row == ["reveal", f"delivery {number}-1", "allow"]


def test_every_route_whose_look_is_told_exists(resting_routes):
    assert set(SHOWN) <= resting_routes


@pytest.fixture
async def resting_routes(resting):
    from hub.api import build_api

    described = {
        (method.upper(), path) for path, verbs in build_api(resting).openapi()["paths"].items() for method in verbs
    }
    return described | {("POST", "/v1/operations/reload")}


async def test_files_taken_on_demand_are_a_row_with_who_asked(resting):
    _, key = new_key(resting.secret, resting.ledger.book.now(), front_end="*", role=Role.OPERATOR)
    scope = {"method": "POST", "path": RELOAD, "headers": [], "state": {"caller": key.principal()}}
    await heed(resting, scope, 200)
    assert await told(resting) == [(f"*/{key.prefix}", "reload", "", "done")]


async def test_who_shows_no_key_is_refused_in_two_rows_however_often(resting, desk):
    for _ in range(30):
        assert (await desk.get("/v1/requests", headers={"Authorization": "Bearer x"})).status_code == 401
    found = await rows(resting)
    denied = [row for row in found if row.outcome == "deny"]
    assert {row.action for row in denied} == {"GET /v1/requests"}
    assert len(denied) <= 2
    assert sum(orjson.loads(row.detail)["times"] for row in denied) == 30
    assert all(row.actor.startswith("address ") for row in denied)


async def test_a_first_refusal_is_told_before_its_minute_is_over(resting, desk):
    await desk.get("/v1/requests", headers={"Authorization": "Bearer x"})
    await resting.keeper.write_denials()
    [first, *_] = await resting.ledger.read(newest, Sought())
    assert (first.outcome, orjson.loads(first.detail)["times"]) == ("deny", 1)


async def test_a_stranger_to_a_request_is_a_row_with_its_number(resting, desk, open_desk):
    number = await desk.submitted()
    stranger = await open_desk(resting, front_end="autre")
    assert (await stranger.get(f"/v1/requests/{number}")).status_code == 404
    [(actor, action, about, outcome), *_] = await told(resting)
    assert actor.startswith("autre/")
    assert (action, about, outcome) == ("GET /v1/requests/{number}", number, "deny")


async def test_a_kind_that_a_key_does_not_cover_is_a_row(resting, open_desk):
    narrow = await open_desk(resting, kinds=frozenset({"avis"}))
    assert (await narrow.submit()).status_code == 403
    [(actor, action, _, outcome), *_] = await told(resting)
    assert (actor.split("/")[0], action, outcome) == ("libreair", "POST /v1/requests", "deny")


async def test_an_address_that_leads_nowhere_is_no_row_for_nobody(resting, desk):
    assert (await desk.get(f"/{CANARY}", headers={"Authorization": ""})).status_code == 404
    assert await told(resting, limit=500) == [row for row in await told(resting) if row[3] != "deny"]


async def test_no_value_of_a_citizen_is_in_any_row(resting, desk, open_desk):
    number = await desk.submitted("avis", name=CANARY, data={"objet": CANARY})
    agent = await open_desk(resting, Role.AGENT, "*")
    operator = await open_desk(resting, Role.OPERATOR, "*")
    await agent.get("/v1/requests", params={"q": CANARY})
    await agent.get(f"/v1/requests/{CANARY}")
    await agent.post(f"/v1/requests/{number}/correct", json={"data": {"objet": f"{CANARY} bis"}})
    await agent.post(f"/v1/requests/{number}/cancel", json={"reason": CANARY})
    await operator.post(
        "/v1/operations/causes/note", json={"target": "cible", "code": "x", "stage": "y", "note": CANARY}
    )
    await operator.get(f"/v1/operations/deliveries/{number}-1")
    await desk.get(f"/v1/requests/{number}", headers={"Authorization": f"Bearer {CANARY}".encode().decode("latin-1")})
    await resting.keeper.write_denials(everything=True)
    lines = await resting.ledger.read(lambda connection: b"".join(every_line(connection)).decode())
    assert '"cancel"' in lines
    assert "Ravel" not in lines
    assert "Canari" not in lines


async def test_an_act_whose_row_cannot_be_written_is_not_done(resting, desk, open_desk):
    number = await desk.submitted("avis")
    agent = await open_desk(resting, Role.AGENT, "*")
    with resting.ledger.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE audit RENAME TO elsewhere")
    assert (await agent.post(f"/v1/requests/{number}/decision", json={"accept": True})).status_code == 503
    with resting.ledger.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO audit")
    assert (await agent.get(f"/v1/requests/{number}")).json()["awaiting"] == "instruction"


@pytest.mark.parametrize("broken", ["ALTER TABLE audit RENAME TO elsewhere", "DELETE FROM audit_head"])
async def test_contents_whose_row_cannot_be_written_are_not_shown(resting, desk, open_desk, broken):
    number = await desk.submitted()
    operator = await open_desk(resting, Role.OPERATOR, "*")
    place = f"/v1/operations/deliveries/{number}-1"
    known = (await operator.get(place)).json()
    with resting.ledger.engine.begin() as connection:
        connection.exec_driver_sql(broken)
    answer = await operator.get(place)
    assert (answer.status_code, answer.headers["content-type"]) == (503, MEDIA_TYPE)
    assert answer.headers["retry-after"] == "5"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["type"] == "/problems/unavailable"
    assert not known.keys() & answer.json().keys()


async def test_a_loop_that_met_what_nobody_foresaw_goes_on(resting):
    keeper, engine = resting.keeper, resting.ledger.engine
    with engine.begin() as connection:
        head = connection.execute(select(AUDIT_HEAD)).one()._mapping
        connection.execute(delete(AUDIT_HEAD))
    keeper.denials.count(Denial("a", "GET /x", "403"), resting.ledger.book.now())
    with capture_logs() as lines:
        keeper.wake()
        await soon(lambda: lines)
    assert [(line["event"], line["code"], line["error"]) for line in lines] == [
        ("the audit is not kept", "denials", "HeadlessError")
    ]
    with engine.begin() as connection:
        connection.execute(insert(AUDIT_HEAD), dict(head))
    keeper.wake()
    await soon(lambda: resting.ledger.look(newest, Sought(actor="a")))


async def soon(found):
    async with asyncio.timeout(10):
        while not found():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("failing", ["*.part", "archive", "new"])
async def test_rows_stay_until_the_disk_has_their_archive(resting, tmp_path, monkeypatch, failing):
    await resting.ledger.switch(switching("cible"))
    before = await resting.ledger.read(lambda connection: list(every_line(connection)))
    keeper, fsync = keeping(resting, timedelta(seconds=-60), tmp_path / "new"), os.fsync

    def full(descriptor):
        if Path(f"/proc/self/fd/{descriptor}").readlink().match(failing):
            raise OSError(errno.EIO, "essai")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="essai"):
        await keeper.prune()
    assert await resting.ledger.read(lambda connection: list(every_line(connection))) == before
    monkeypatch.undo()
    assert await keeper.prune() == len(before)


async def test_a_hub_that_closes_leaves_an_anchor_that_its_chain_agrees_with(settings, tmp_path):
    anchored = settings.model_copy(update={"audit": AuditSettings(anchor=str(tmp_path / "anchors"))})
    async with open_hub(anchored, serve=False) as opened:
        await opened.ledger.switch(switching("cible"))
        chain, engine = Chain(opened.secret, opened.ledger.book.now), opened.ledger.engine
    anchors = list(read_anchors((tmp_path / "anchors").open()))
    with engine.connect() as connection:
        found = verify(connection, chain, anchors)
    engine.dispose()
    assert (found.anchors, found.bad) == (1, None)


async def test_rows_that_are_too_old_are_written_down_and_let_go(resting, tmp_path):
    for _ in range(3):
        await resting.ledger.switch(switching("cible"))
    before = await resting.ledger.read(lambda connection: list(every_line(connection)))
    assert await keeping(resting, timedelta(days=365), tmp_path).prune() == 0
    assert await keeping(resting, timedelta(seconds=-60), tmp_path).prune() == len(before)
    [file] = tmp_path.glob("archive/*.jsonl")
    assert file.read_bytes().splitlines() == before
    found = await resting.ledger.read(verify, Chain(resting.secret, system_clock))
    assert (found.first, found.last, found.bad) == (len(before) + 1, len(before) + 1, None)


def keeping(opened, keep, folder):
    """Make a keeper that keeps rows for so long."""
    said = AuditSettings.model_construct(anchor=None, keep=keep, archive=folder / "archive")
    return AuditKeeper(opened.ledger, Chain(opened.secret, opened.ledger.book.now), said)


def switching(target):
    from hub.targets import Switch

    return Switch(target, paused=True, reason=CANARY, actor="console/agnes")


class TestDenials:
    """Refusals are counted in bounded memory."""

    def test_what_is_alike_within_a_minute_is_told_twice_at_most(self):
        denials = Denials()
        first = [denials.count(Denial("a", "GET /x", "403"), 1_000 + at) for at in range(50)]
        assert first == [True] + [False] * 49
        over = 1_000 + int(TOGETHER.total_seconds() * 1000)
        assert [
            entry.detail["times"] for entry in (*denials.take(1_100), *denials.take(2_000), *denials.take(over))
        ] == [50]

    def test_more_kinds_than_can_be_told_apart_are_counted_together(self):
        denials = Denials()
        for at in range(10_000):
            denials.count(Denial(f"address {at}", "GET /x", "401"), 1_000)
        entries = denials.take(1_000)
        assert len(entries) == MOST_APART + 1
        assert sum(entry.detail["times"] for entry in entries) == 10_000
        assert entries[-1].actor == "others"
