"""PayFiP: nobody pays twice, nothing is called paid, lost or given up before it is so, a call proves nothing."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import ValidationError

import connectors.payfip
from connectors.payfip.sandbox import EXAMPLE, NUMCLI, OF_A_RESULT, OURS, RULES, TECHNICAL, TOLD, Sandbox
from connectors.payfip.wire import SILENCES, Asked, Settings, read_moment, read_notification, read_result
from hub.connector import Call, Called, Deadline, Outbound
from hub.errors import RefusedError, TransientError, UncertainError
from hub.manifest import ErrorTable
from hub.model import DeliveryKey, Verdict

ERRORS = ErrorTable.read(Path(connectors.payfip.__file__).parent)
KEY = DeliveryKey("167046020-1")
PAYMENT = Sandbox().sample("creer_paiement")
IDOP = "9d1f0a2c-5a57-4c3e-8f5b-1b6f0e7c2d33"


def message(operation: str, fields) -> Outbound:
    return Outbound(KEY, operation, orjson.dumps(fields), Deadline(timedelta(seconds=10)))


def opening(**changes) -> Outbound:
    fields = {name: value for name, value in {**PAYMENT, **changes}.items() if value is not None}
    return message("creer_paiement", fields)


def following(idop: str, age: timedelta = timedelta()) -> Outbound:
    return message("suivre_paiement", {"idop": idop, "cree_a": (datetime.now(UTC) - age).isoformat()})


@asynccontextmanager
async def facing(sandbox: Sandbox | None = None, **settings):
    sandbox = sandbox or Sandbox()
    await sandbox.start()
    payfip = connectors.payfip.connect({**sandbox.settings(), **settings}, ERRORS)
    try:
        yield payfip, sandbox
    finally:
        await payfip.close()
        await sandbox.stop()


@asynccontextmanager
async def listening():
    """A door like the hub's: what was called, as a connector is given it."""
    calls = []

    async def answer(request: web.Request) -> web.Response:
        calls.append(Call(request.method, "", dict(request.query), {}, await request.read()))
        return web.Response()

    application = web.Application()
    application.router.add_route("*", "/payfip", answer)
    async with TestServer(application) as server:
        yield str(server.make_url("/payfip")), calls


class Desk:
    def __init__(self) -> None:
        self.nudged: list[str] = []

    async def nudge(self, reference: str) -> bool:
        self.nudged.append(reference)
        return False

    async def conclude(self, *_):
        raise AssertionError("a call that proves nothing concludes nothing")

    async def sent(self, *_):
        raise AssertionError("nobody asked")


async def test_a_payment_is_opened_with_the_page_where_it_is_paid():
    async with facing() as (payfip, sandbox):
        receipt = await payfip.deliver(opening())
        assert receipt.details["idop"] == receipt.reference
        assert receipt.details["url_paiement"] == f"{sandbox.url}/tpa/paiementws.web?idop={receipt.reference}"
        born, ends = (datetime.fromisoformat(receipt.details[name]) for name in ("cree_a", "expire_a"))
        assert ends - born == timedelta(minutes=15)
        assert sandbox.taken() == {PAYMENT["refdet"]: 1}


async def test_the_message_says_cents_as_text_and_the_year_of_paris():
    async with facing() as (payfip, _):
        asked = opening(exer="2025")
        await payfip.deliver(asked)
        assert b"<montant>4500</montant>" in asked.exchange.sent
        assert b"<exer>2025</exer>" in asked.exchange.sent


async def test_the_same_debt_opens_a_second_payment_which_is_why_it_is_done_once():
    async with facing() as (payfip, sandbox):
        first, second = await payfip.deliver(opening()), await payfip.deliver(opening())
        assert first.reference != second.reference
        assert sandbox.taken()[PAYMENT["refdet"]] == 2


async def test_it_cannot_be_asked_for_a_debt():
    async with facing() as (payfip, _):
        with pytest.raises(UncertainError, match=r"^cannot_be_asked$"):
            await payfip.look_up(opening())


@pytest.mark.parametrize(
    ("letter", "state", "means"),
    [("P", "paye", "carte"), ("V", "paye", "prelevement"), ("R", "refuse", "carte"), ("Z", "refuse", "prelevement")],
)
async def test_a_result_is_told_at_any_age(letter, state, means):
    async with facing() as (payfip, sandbox):
        opened = await payfip.deliver(opening())
        await sandbox.pay(opened.reference, letter)
        for age in (timedelta(), timedelta(days=300)):
            told = await payfip.deliver(following(opened.reference, age))
            assert told.reference == opened.reference
            assert told.details.items() >= {"etat": state, "moyen": means, "montant": 4500, "saisie": "T"}.items()
            assert "mel" not in told.details


@pytest.mark.parametrize(("minutes", "state"), [(0, "en_attente"), (119, "en_attente"), (121, "expire")])
async def test_no_result_is_a_wait_of_two_hours(minutes, state):
    async with facing() as (payfip, _):
        opened = await payfip.deliver(opening())
        told = await payfip.deliver(following(opened.reference, timedelta(minutes=minutes)))
        assert told.details == {"etat": state, "idop": opened.reference}


@pytest.mark.parametrize(("minutes", "state"), [(0, "en_attente"), (119, "en_attente"), (121, "purge")])
async def test_an_operation_unknown_is_purged_only_when_it_is_old(minutes, state):
    async with facing() as (payfip, sandbox):
        opened = await payfip.deliver(opening())
        sandbox.purge()
        told = await payfip.deliver(following(opened.reference, timedelta(minutes=minutes)))
        assert told.details["etat"] == state


async def test_the_nightly_cleaning_keeps_what_has_a_result():
    async with facing() as (payfip, sandbox):
        sandbox.purge()
        assert (await payfip.deliver(following(EXAMPLE, timedelta(days=1)))).details["etat"] == "paye"


@pytest.mark.parametrize(("minutes", "state"), [(0, "en_attente"), (29, "en_attente"), (31, "abandonne")])
async def test_a_payment_given_up_is_so_only_when_it_cannot_be_taken_up_again(minutes, state):
    async with facing() as (payfip, sandbox):
        opened = await payfip.deliver(opening())
        await sandbox.pay(opened.reference, "A")
        told = await payfip.deliver(following(opened.reference, timedelta(minutes=minutes)))
        assert (told.details["etat"], told.details["resultrans"]) == (state, "A")


async def test_a_payment_given_up_and_taken_up_again_is_paid():
    async with facing() as (payfip, sandbox):
        opened = await payfip.deliver(opening())
        await sandbox.pay(opened.reference, "A")
        await sandbox.pay(opened.reference, "P")
        assert (await payfip.deliver(following(opened.reference))).details["etat"] == "paye"


async def test_a_payment_used_or_too_old_cannot_be_paid():
    async with facing() as (payfip, sandbox):
        used, old = await payfip.deliver(opening()), await payfip.deliver(opening())
        await sandbox.pay(used.reference, "R")
        sandbox.lifetime = timedelta()
        for idop, code in ((used.reference, "P3"), (old.reference, "P4"), (IDOP, "P1")):
            with pytest.raises(ValueError, match=code):
                await sandbox.pay(idop)


@pytest.mark.parametrize(
    ("letter", "minutes", "failure", "code"),
    [
        ("P", 0, RefusedError, "deja_paye"),
        ("V", 500, RefusedError, "deja_paye"),
        ("", 14, TransientError, "encore_payable"),
        ("", 119, TransientError, "encore_payable"),
        ("A", 14, TransientError, "encore_payable"),
    ],
)
async def test_a_second_payment_is_not_opened_while_the_first_is_or_may_be_paid(letter, minutes, failure, code):
    async with facing() as (payfip, sandbox):
        first = await payfip.deliver(opening())
        if letter:
            await sandbox.pay(first.reference, letter)
        replaced = following(first.reference, timedelta(minutes=minutes)).fields
        with pytest.raises(failure, match=f"^{code}$"):
            await payfip.deliver(opening(remplace=replaced))
        assert sandbox.taken()[PAYMENT["refdet"]] == 1


@pytest.mark.parametrize(("letter", "minutes"), [("R", 0), ("Z", 1), ("A", 31), ("", 121)])
async def test_a_second_payment_is_opened_once_the_first_is_over(letter, minutes):
    async with facing() as (payfip, sandbox):
        first = await payfip.deliver(opening())
        if letter:
            await sandbox.pay(first.reference, letter)
        replaced = following(first.reference, timedelta(minutes=minutes)).fields
        assert (await payfip.deliver(opening(remplace=replaced))).reference != first.reference


async def test_when_the_first_cannot_be_asked_about_no_second_is_opened():
    async with facing() as (payfip, sandbox):
        first = await payfip.deliver(opening())
        sandbox.break_with("indisponibilite")
        with pytest.raises(TransientError, match=r"^TechIndisponibiliteErreur$"):
            await payfip.deliver(opening(remplace=following(first.reference).fields))
        assert sandbox.taken()[PAYMENT["refdet"]] == 1


WRONG = [
    ("refdet", "FORUM-2026-1", "R3"),
    ("refdet", "F1", "R3"),
    ("refdet", "F" * 31, "R3"),
    ("montant", 99, "M3"),
    ("montant", 10_000_001, "M5"),
    ("montant", "45,00", "M1"),
    ("mel", "nulle.part", "A2"),
    ("mel", "a@b.c", "A2"),
    ("mel", "a" * 80 + "@example.org", "A2"),
    ("mel", None, "A1"),
    ("objet", "Stand n° 12", "FonctionnelleErreur"),
    ("objet", "S" * 101, "FonctionnelleErreur"),
    ("urlredirect", "javascript:alert(1)", "D1"),
    ("exer", "26", "FonctionnelleErreur"),
]


@pytest.mark.parametrize(("field", "value", "code"), WRONG)
async def test_what_payfip_would_refuse_never_leaves(field, value, code):
    async with facing() as (payfip, sandbox):
        wrong = opening(**{field: value})
        with pytest.raises(RefusedError, match=r"^message_invalid$"):
            await payfip.deliver(wrong)
        assert (wrong.exchange.fault, wrong.exchange.sent) == (field, b"")
        assert not sandbox.taken()


@pytest.mark.parametrize(("field", "value", "code"), WRONG)
async def test_payfip_itself_refuses_it_with_its_code(field, value, code):
    async with facing() as (payfip, sandbox):
        settings = sandbox.settings()
        good = {**PAYMENT, **{name: settings[name] for name in ("numcli", "saisie", "urlnotif", "urlredirect")}}
        sent = {**good, "exer": "2026", "montant": "4500", field: None if value is None else str(value)}
        asked = opening()
        with pytest.raises(RefusedError, match=f"^{code}$"):
            await payfip._call(asked, "creerPaiementSecurise", {"arg0": sent})
        assert not sandbox.taken()


@pytest.mark.parametrize("operation", ["suivre_paiement", "client"])
async def test_a_question_with_unknown_fields_is_not_asked(operation):
    async with facing() as (payfip, _):
        wrong = message(operation, {"surprise": True})
        with pytest.raises(RefusedError, match=r"^message_invalid$"):
            await payfip.deliver(wrong)
        assert not wrong.exchange.sent


async def test_wrong_settings_park_nothing():
    async with facing(numcli="111111") as (payfip, _):
        with pytest.raises(TransientError, match=r"^T2$"):
            await payfip.deliver(opening())


async def test_the_probe_wants_a_client_that_payfip_knows():
    async with facing(numcli="111111") as (payfip, _):
        with pytest.raises(TransientError, match=r"^T2$"):
            await payfip.probe(Deadline(timedelta(seconds=10)))


@pytest.mark.parametrize("changes", [{"saisie": "P"}, {"numcli": "12345"}, {"urlnotif": "x" * 300}, {"saisie": None}])
def test_settings_that_payfip_would_refuse_are_refused(changes):
    given = {**Sandbox().settings(), "url": "https://payfip.example.org/tpa", **changes}
    with pytest.raises(ValidationError):
        connectors.payfip.connect(given, ERRORS)


async def test_payfip_names_our_office():
    async with facing() as (payfip, _):
        told = await payfip.deliver(message("client", {}))
        assert told.reference == told.details["numcli"] == NUMCLI
        assert len(told.details["libelle"]) == 3


def test_the_errors_table_is_total_over_what_payfip_says():
    rows = {row.code: row for row in ERRORS.error}
    own = {"message_invalid", "reference_invalid", "deja_paye", "encore_payable"}
    assert rows.keys() == own | (TOLD.keys() - {"X9"}) | set(TECHNICAL.values()) | {"FonctionnelleErreur"}
    assert {code for code, row in rows.items() if row.retry_after} == OURS | {
        "encore_payable",
        "TechIndisponibiliteErreur",
    }
    assert rows["P3"].verdict is Verdict.UNCERTAIN
    assert all(row.hint for row in ERRORS.error)
    assert OF_A_RESULT.keys() - {"P3"} == SILENCES.keys()
    assert {code for code, _, _ in RULES} - {""} <= rows.keys()


SETTINGS = Settings.model_validate(
    {**Sandbox().settings(), "url": "https://payfip.example.org/tpa"}
    | {
        "page": "https://payfip.example.org/page",
        "urlnotif": "https://hub.example.org/appels/payfip",
        "urlredirect": "https://portail.example.org/merci",
    }
)
RESULT = {"idOp": IDOP, "numcli": NUMCLI, "resultrans": "P", "montant": "4500", "dattrans": None, "heurtrans": None}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"idOp": EXAMPLE}, "another_payment"),
        ({"numcli": "111111"}, "another_payment"),
        ({"resultrans": "X"}, "unreadable"),
        ({"resultrans": None}, "unreadable"),
        ({"montant": "45,00"}, "unreadable"),
        ({"montant": None}, "unreadable"),
    ],
)
def test_a_result_that_is_not_clear_is_a_doubt(changes, code):
    with pytest.raises(UncertainError, match=f"^{code}$"):
        read_result({**RESULT, **changes}, Asked(IDOP, timedelta()), SETTINGS)


def test_a_moment_that_cannot_be_read_takes_nothing_from_a_payment():
    told = read_result(RESULT, Asked(IDOP, timedelta()), SETTINGS)
    assert told.details == {"etat": "paye", "idop": IDOP, "resultrans": "P", "moyen": "carte", "montant": 4500}
    assert read_moment({"dattrans": "24112026", "heurtrans": "0907"}) == {
        "dattrans": "2026-11-24",
        "heurtrans": "09:07",
    }


@pytest.mark.parametrize(
    ("call", "idop"),
    [
        (Call("GET", query={"idop": IDOP}), IDOP),
        (Call("GET", query={"idOp": IDOP}), IDOP),
        (Call("POST", body=f"idop={IDOP}".encode()), IDOP),
        (Call("POST", body=f"autre=1&idOp={IDOP}".encode()), IDOP),
        (Call("POST", query={"idop": IDOP}, body=b"\xff\xfe"), IDOP),
        (Call("POST"), ""),
        (Call("GET", query={"idop": ""}), ""),
        (Call("GET", query={"idop": "<script>"}), ""),
        (Call("POST", body=b"idop=" + b"a" * 65), ""),
    ],
)
async def test_a_call_nudges_what_waits_under_its_idop_and_nothing_more(call, idop):
    async with facing() as (payfip, _):
        desk = Desk()
        assert isinstance(payfip, Called)
        assert read_notification(call) == idop
        assert (await payfip.serve(call, desk)).status == (200 if idop else 400)
        assert desk.nudged == ([idop] if idop else [])


@pytest.mark.parametrize(("times", "method"), [(0, "POST"), (1, "POST"), (2, "POST"), (1, "GET")])
async def test_payfip_calls_never_once_or_twice_and_the_result_is_the_same(times, method):
    async with listening() as (door, calls), facing(urlnotif=door) as (payfip, sandbox):
        sandbox.notifications, sandbox.notification_method = times, method
        opened = await payfip.deliver(opening())
        await sandbox.pay(opened.reference)
        assert [(call.method, read_notification(call)) for call in calls] == [(method, opened.reference)] * times
        assert (await payfip.deliver(following(opened.reference))).details["etat"] == "paye"


async def test_a_call_that_is_late_does_not_hold_the_payer_back():
    async with listening() as (door, calls), facing(urlnotif=door) as (payfip, sandbox):
        sandbox.notification_delay = 3600
        opened = await payfip.deliver(opening())
        await sandbox.pay(opened.reference)
        assert not calls
        assert (await payfip.deliver(following(opened.reference))).details["etat"] == "paye"


@pytest.mark.parametrize(("choice", "state"), [("P", "paye"), ("R", "refuse"), ("A", "en_attente")])
async def test_a_payer_decides_on_the_page_and_is_sent_back(choice, state):
    back = "https://portail.example.org/demandes/167046020"
    async with listening() as (door, calls), facing(urlnotif=door) as (payfip, _), aiohttp.ClientSession() as browser:
        opened = await payfip.deliver(opening(urlredirect=back))
        page = opened.details["url_paiement"]
        async with browser.get(page) as shown:
            text = await shown.text()
            assert all(word in text for word in ("Payer", "Refuser", "Abandonner", "45,00 €", PAYMENT["refdet"]))
        async with browser.post(page, data={"resultat": choice}, allow_redirects=False) as sent_back:
            assert (sent_back.status, sent_back.headers["Location"]) == (302, back)
        assert [read_notification(call) for call in calls] == [opened.reference]
        assert (await payfip.deliver(following(opened.reference))).details["etat"] == state


async def test_a_page_that_does_not_open_any_more_says_so():
    async with facing() as (payfip, sandbox), aiohttp.ClientSession() as browser:
        opened = await payfip.deliver(opening())
        sandbox.lifetime = timedelta()
        async with browser.post(opened.details["url_paiement"], data={"resultat": "P"}) as shown:
            assert shown.status == 410
        assert (await payfip.deliver(following(opened.reference))).details["etat"] == "en_attente"


def typed() -> Outbound:
    """What an idop that an agent typed is asked by: its body is empty."""
    return message("creer_paiement", {})


@pytest.mark.parametrize("result", ["", "P", "V", "R", "Z", "A"])
async def test_an_idop_is_found_with_a_result_or_without_one_yet(result):
    async with facing() as (payfip, sandbox):
        idop = (await payfip.deliver(opening())).reference
        if result:
            await sandbox.pay(idop, result)
        asked = typed()
        assert await payfip.find(asked, idop) is True
        assert idop.encode() in asked.exchange.sent
        assert asked.exchange.answered
        assert sandbox.taken().total() == 1


async def test_an_idop_that_payfip_does_not_know_is_never_said_to_be_absent():
    async with facing() as (payfip, sandbox):
        with pytest.raises(UncertainError, match=r"^P1$"):
            await payfip.find(typed(), IDOP)
        idop = (await payfip.deliver(opening())).reference
        sandbox.purge()
        with pytest.raises(UncertainError, match=r"^P1$"):
            await payfip.find(typed(), idop)


@pytest.mark.parametrize("idop", ["", "x" * 65, f"{IDOP}\n", f"{IDOP}<", "167046020/1", "é"])
async def test_what_is_no_idop_is_not_asked(idop):
    async with facing() as (payfip, _):
        asked = typed()
        with pytest.raises(RefusedError, match=r"^reference_invalid$"):
            await payfip.find(asked, idop)
        assert not asked.exchange.sent


@pytest.mark.parametrize(
    ("fault", "meaning", "code"),
    [
        ("p3", UncertainError, "P3"),
        ("autre_paiement", UncertainError, "another_payment"),
        ("protocolaire", UncertainError, "TechProtocolaireErreur"),
        ("x9", UncertainError, "FonctionnelleErreur"),
        ("indisponibilite", TransientError, "TechIndisponibiliteErreur"),
    ],
)
async def test_only_what_payfip_says_of_an_idop_proves_it(fault, meaning, code):
    async with facing() as (payfip, sandbox):
        idop = (await payfip.deliver(opening())).reference
        sandbox.break_finding(fault)
        with pytest.raises(meaning, match=f"^{code}$"):
            await payfip.find(typed(), idop)


async def test_an_idop_too_old_to_be_opened_is_there():
    async with facing() as (payfip, sandbox):
        sandbox.break_finding("p4")
        assert await payfip.find(typed(), IDOP) is True
