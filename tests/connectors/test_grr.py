"""GRR: what is stored is found again, a page is never taken for a yes, a lost session is not a refusal."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from aiohttp import web
from pydantic import ValidationError

import connectors.grr
from connectors._transport.http import Answer
from connectors.grr import sandbox_pages as pages
from connectors.grr.browser import read_cookies
from connectors.grr.planning import Planning, read_slots
from connectors.grr.reservation import MESSAGES
from connectors.grr.sandbox import REFUSALS, SEEDED, Sandbox
from connectors.grr.wire import (
    check_report,
    failure,
    find_number,
    is_planning,
    is_stranger,
    read_exists,
    write_booking,
)
from hub.connector import Deadline, DifferentError, Outbound
from hub.errors import RefusedError, TransientError, UncertainError
from hub.manifest import ErrorTable, Manifest
from hub.model import DeliveryKey

FOLDER = Path(connectors.grr.__file__).parent
ERRORS = ErrorTable.read(FOLDER)
KEY = DeliveryKey("167046020-1")
SAMPLES = orjson.loads((FOLDER / "contract" / "samples.json").read_bytes())
BOOKING = MESSAGES["reserver"].model_validate(SAMPLES["reserver"])


def soon() -> Deadline:
    return Deadline(timedelta(seconds=10))


def message(operation="reserver", key=KEY, **changed) -> Outbound:
    return Outbound(key, operation, orjson.dumps(SAMPLES[operation] | changed), soon())


def answer(body: str, status=200, **headers) -> Answer:
    return Answer(status, headers, body.encode())


@asynccontextmanager
async def facing(sandbox: Sandbox | None = None, **settings):
    sandbox = sandbox or Sandbox()
    await sandbox.start()
    grr = connectors.grr.connect({**sandbox.settings(), **settings}, ERRORS)
    try:
        yield grr, sandbox
    finally:
        await grr.close()
        await sandbox.stop()


def test_the_form_is_filled_in_as_grr_wants_it():
    form = parse_qs(urlsplit(write_booking(BOOKING, KEY, "hub")).query, keep_blank_values=True)
    assert form["p"] == ["editentreetrt"]
    assert [form[f"start_{part}"] for part in ("day", "month", "year", "")] == [["5"], ["3"], ["2030"], ["10:00"]]
    assert [form[f"end_{part}"] for part in ("day", "month", "year", "")] == [["5"], ["3"], ["2030"], ["11:00"]]
    assert form["rooms[]"] == ["7"]
    assert form["description"][0].startswith(f"Référence {KEY}\nFête de l'école")
    assert form["create_by"] == ["hub"]
    assert form["beneficiaire"] == ["0"]
    assert "dragdrop" not in form


async def test_a_booking_gets_the_number_that_grr_did_not_give():
    async with facing() as (grr, sandbox):
        asked = message()
        receipt = await grr.deliver(asked)
        stored = sandbox.bookings[int(receipt.reference)]
        assert (stored.name, stored.who) == ("Débit de boisson temporaire", "Léa LEFÈVRE|lea.lefevre@example.org")
        assert await grr.look_up(message()) == receipt
        assert asked.exchange.http_status == 302
        assert b"p=editentreetrt" in asked.exchange.sent
        assert b"bac-a-sable" not in asked.exchange.sent


async def test_our_key_is_not_another_that_begins_with_it():
    async with facing() as (grr, _):
        await grr.deliver(message(key=DeliveryKey("167046020-12")))
        assert await grr.look_up(message()) is None
        found = await grr.deliver(message(debut="2030-03-05T14:00", fin="2030-03-05T15:00"))
        assert (await grr.look_up(message(debut="2030-03-05T14:00", fin="2030-03-05T15:00"))) == found


@pytest.mark.parametrize("shows_numbers", [True, False])
@pytest.mark.parametrize(
    "moved",
    [
        {"debut": "2030-03-05T14:00", "fin": "2030-03-05T15:00"},
        {"debut": "2030-03-06T14:00", "fin": "2030-03-06T15:00"},
        {"ressource": 8},
    ],
)
async def test_our_key_at_another_slot_is_for_a_person(moved, shows_numbers):
    async with facing() as (grr, sandbox):
        sandbox.shows_numbers = shows_numbers
        await grr.deliver(message())
        assert await grr.look_up(message())
        with pytest.raises(DifferentError):
            await grr.look_up(message(**moved))


async def test_a_booking_that_begins_within_another_is_not_that_one():
    async with facing() as (grr, _):
        await grr.deliver(message())
        with pytest.raises(DifferentError):
            await grr.look_up(message(debut="2030-03-05T10:30"))


async def test_of_six_who_want_one_slot_one_has_it_and_one_session_serves_them():
    async with facing() as (grr, sandbox):
        keys = [DeliveryKey(f"16704602{number}-1") for number in range(6)]
        outcomes = await asyncio.gather(*(grr.deliver(message(key=key)) for key in keys), return_exceptions=True)
        lost = [outcome for outcome in outcomes if isinstance(outcome, RefusedError)]
        assert [error.code for error in lost] == ["creneau_pris"] * 5
        assert sandbox.taken().total() == 1
        assert sandbox.log_ins == 1


@pytest.mark.parametrize("bracketed", [True, False])
@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"debut": "2030-03-06T10:00", "fin": "2030-03-06T12:00"}, "creneau_pris"),
        ({"debut": "2020-03-05T10:00", "fin": "2020-03-05T11:00"}, "booking_in_past"),
        ({"debut": "2030-03-05T07:00", "fin": "2030-03-05T09:00"}, "error_heure_debut_fin"),
        ({"ressource": 9}, "booking_room_out"),
    ],
)
async def test_each_refusal_is_understood_in_both_languages_with_its_code_or_without(
    changed, code, language, bracketed
):
    async with facing() as (grr, sandbox):
        sandbox.language, sandbox.bracketed = language, bracketed
        with pytest.raises(RefusedError, match=f"^{code}$"):
            await grr.deliver(message(**changed))
        assert not sandbox.taken()


def test_the_menu_s_refusals_are_all_in_the_table():
    for code, language, _ in REFUSALS.values():
        for bracketed in (True, False):
            said = answer(pages.refusal(code, language, bracketed=bracketed))
            assert failure(said, ERRORS).code != "unmapped"


def test_a_refusal_we_do_not_know_is_a_refusal_and_an_unknown_page_a_doubt():
    unknown = answer(pages.refusal("error_nouvelle", "fr", bracketed=True))
    assert isinstance(failure(unknown, ERRORS), RefusedError)
    for page in ("", "<h1>Maintenance</h1>", "<p>Conflit entre réservations</p>", pages.layout("", known=True)):
        assert isinstance(failure(answer(page), ERRORS), UncertainError)


@pytest.mark.parametrize("stranger", ["door", "page", "redirect", "closed"])
@pytest.mark.parametrize("operation", ["reserver", "annuler", "creneaux"])
async def test_a_session_that_expired_is_opened_again_within_the_call(stranger, operation):
    async with facing() as (grr, sandbox):
        await grr.probe(soon())
        sandbox.stranger = stranger
        sandbox.sessions.clear()
        await grr.deliver(message(operation))
        assert sandbox.log_ins == 2
        assert sandbox.taken().total() == (operation != "creneaux")


async def test_a_session_that_never_holds_is_transient_and_nothing_is_stored():
    async with facing() as (grr, sandbox):
        sandbox.sessions = Forgetful()
        with pytest.raises(TransientError, match=r"^session_expiree$"):
            await grr.deliver(message())
        assert sandbox.log_ins == 2
        assert not sandbox.taken()


class Forgetful(set):
    """Sessions that are forgotten as soon as they are opened."""

    def add(self, session):
        pass


class Drowsy(Sandbox):
    """Forgets whoever has just booked."""

    async def serve(self, request):
        answer = await super().serve(request)
        if request.query.get("p") == "editentreetrt":
            self.sessions.clear()
        return answer


class Silent(Sandbox):
    """Has its report closed, as long as it is told to."""

    closed = True

    async def serve(self, request):
        if self.closed and request.query.get("p") == "report":
            return web.Response(status=503)
        return await super().serve(request)


async def test_a_session_lost_after_the_booking_leaves_no_second_one():
    async with facing(Drowsy()) as (grr, sandbox):
        await grr.deliver(message())
        assert sandbox.taken()[KEY] == 1
        assert sandbox.log_ins == 2


async def test_a_booking_whose_number_cannot_be_found_is_a_doubt_that_is_lifted_later():
    async with facing(Silent()) as (grr, sandbox):
        with pytest.raises(UncertainError, match=r"^http_503$"):
            await grr.deliver(message())
        sandbox.closed = False
        assert (await grr.look_up(message())).reference in map(str, sandbox.bookings)
        assert sandbox.taken()[KEY] == 1


def test_an_account_that_may_not_search_is_found_out_by_the_probe():
    with pytest.raises(UncertainError, match=r"^report_closed$"):
        check_report(answer(pages.denied("fr")))


async def test_a_wrong_password_parks_nothing():
    async with facing(password="faux") as (grr, sandbox):
        for spoken in (grr.probe(soon()), grr.deliver(message()), grr.look_up(message())):
            with pytest.raises(TransientError, match=r"^connexion_refusee$"):
                await spoken
        assert not sandbox.taken()


async def test_cancelling_twice_is_cancelling():
    async with facing() as (grr, sandbox):
        number = (await grr.deliver(message())).reference
        for _ in range(2):
            assert (await grr.deliver(message("annuler", reservation=int(number)))).reference == number
        assert sandbox.taken()[number] == 1
        assert await grr.look_up(message()) is None
        await grr.deliver(message())


@pytest.mark.parametrize("language", ["fr", "en"])
async def test_what_may_not_be_deleted_stays_and_what_never_was_is_unknown(language):
    async with facing() as (grr, sandbox):
        sandbox.language, sandbox.mine = language, False
        with pytest.raises(RefusedError, match=r"^accessdenied$"):
            await grr.deliver(message("annuler", reservation=SEEDED))
        with pytest.raises(RefusedError, match=r"^inconnue$"):
            await grr.deliver(message("annuler", reservation=9999))
        assert not sandbox.bookings[SEEDED].deleted


async def test_a_quota_is_a_bare_500_so_a_doubt_that_the_report_lifts():
    async with facing() as (grr, _):
        with pytest.raises(UncertainError, match=r"^http_500$"):
            await grr.deliver(message(ressource=10))
        assert await grr.look_up(message(ressource=10)) is None


async def test_free_slots_are_those_the_planning_offers():
    async with facing() as (grr, _):
        asked = message("creneaux", jour="2030-03-06")
        slots = (await grr.deliver(asked)).details["creneaux"]
        assert slots[0] == {"debut": "2030-03-06T11:00:00", "fin": "2030-03-06T11:30:00", "ressource": 7}
        assert slots[-1]["fin"] == "2030-03-06T18:00:00"
        assert len(slots) == 14


async def test_an_hour_slot_is_an_hour_long():
    async with facing() as (grr, _):
        slots = (await grr.deliver(message("creneaux", ressource=8))).details["creneaux"]
        assert [(slot["debut"][11:16], slot["fin"][11:16]) for slot in slots[:2]] == [
            ("09:00", "10:00"),
            ("10:00", "11:00"),
        ]


def planning(*rows: str) -> Answer:
    return answer(f"<table class='jour x'><tbody>{''.join(rows)}</tbody></table>")


def row(hours: str, cell: str) -> str:
    return f"<tr><td>{hours}</td><td>{cell}</td></tr>"


def offer(**fields) -> str:
    query = "&amp;".join(f"{name}={value}" for name, value in fields.items())
    return f"<a href='app.php?p=editentree&amp;{query}'>+</a>"


ASKED = MESSAGES["creneaux"].model_validate(SAMPLES["creneaux"])


def test_twelve_hour_clocks_and_other_rooms_are_read_too():
    page = planning(
        row("11:30am - 12:00pm", offer(room=7, hour="11", minute="30")),
        row("12:00pm - 12:30pm", offer(room=8, hour="12", minute="00")),
        row("11:30pm - 12:00am", offer(room=7, hour="23", minute="30")),
    )
    slots = read_slots(page, ASKED, ERRORS)["creneaux"]
    assert [(slot["debut"], slot["fin"]) for slot in slots] == [
        ("2030-03-05T11:30:00", "2030-03-05T12:00:00"),
        ("2030-03-05T23:30:00", "2030-03-06T00:00:00"),
    ]


def test_a_full_day_is_no_slot_and_named_periods_are_not_read():
    assert read_slots(planning(row("09:00 - 10:00", "Réservé")), ASKED, ERRORS) == {"creneaux": []}
    with pytest.raises(RefusedError, match=r"^creneaux_predefinis$"):
        read_slots(planning(row("Matin", offer(room=7, period=0))), ASKED, ERRORS)


@pytest.mark.parametrize("page", ["", "<h1>Maintenance</h1>", pages.layout("", known=True)])
def test_a_page_without_a_planning_is_a_doubt(page):
    with pytest.raises(UncertainError, match=r"^unreadable$"):
        read_slots(answer(page), ASKED, ERRORS)


@pytest.mark.parametrize(
    "link",
    [
        "<a href='app.php?p=vuereservation&amp;id=52&amp;day=5'>x</a>",
        "<a href='app.php?p=vuereservation&amp;day=5&amp;id=52'>x</a>",
        "<a href='view_entry.php?id=52'>x</a>",
        "<a onclick=\"request(52,5,3,2030,7,'jour',readData);\">x</a>",
    ],
)
def test_a_booking_is_recognised_in_each_kind_of_link(link):
    known = Planning.read(planning(row("09:30 - 10:00", ""), row("10:00 - 10:30", link)))
    assert known.entries == {"52": 600}
    assert known.holds("52", BOOKING)
    assert not known.holds("53", BOOKING)


def test_a_planning_that_shows_no_numbers_contradicts_nothing():
    assert Planning.read(planning(row("10:00 - 10:30", "Réservé"))).holds("52", BOOKING)


def found(*descriptions: str) -> Answer:
    rows = [
        {"id": str(number), "room": "R", "name": "n", "description": text, "when": "10:00", "who": "w"}
        for number, text in enumerate(descriptions, 50)
    ]
    return answer(pages.report(rows, KEY, "fr"))


def test_the_report_s_own_form_is_not_a_booking():
    assert find_number(found(), KEY) is None
    assert find_number(found(f"Référence {KEY}2"), KEY) is None
    assert find_number(found(f"Référence 1{KEY}", f"Référence {KEY}\nsuite"), KEY) == "51"


@pytest.mark.parametrize(
    "page",
    [
        "",
        pages.layout("Référence 167046020-1", known=True),
        pages.report(None, KEY, "fr"),
        found(f"Référence {KEY}", f"Référence {KEY}").body.decode(),
        found(f"Référence {KEY}").body.decode().replace("vuereservation", "autre"),
    ],
    ids=["nothing", "no form", "not asked", "two", "no link"],
)
def test_only_a_report_that_says_so_is_an_absence(page):
    with pytest.raises(UncertainError, match=r"^unreadable$"):
        find_number(answer(page), KEY)


@pytest.mark.parametrize(
    ("location", "done"),
    [
        ("app.php?p=jour&year=2030&month=3&day=5", True),
        ("https://grr.ville.example/app.php?p=semaine_all", True),
        ("./app.php?p=login", False),
        ("./logout.php?auto=1", False),
        ("https://ailleurs.example/?p=jour", False),
        ("", False),
    ],
)
def test_only_the_way_to_a_planning_is_a_yes(location, done):
    assert is_planning(answer("", 302, location=location)) is done


def test_somebody_known_is_no_stranger():
    assert not is_stranger(answer(pages.denied("fr")))
    assert is_stranger(answer(pages.door()))
    assert is_stranger(answer(pages.layout("", known=False)))


def test_the_last_cookie_of_a_name_is_kept_and_deleted_ones_are_not():
    lines = "GRR=a; path=/\nGRR=b; path=/; HttpOnly; SameSite=Strict\nvieux=deleted; Max-Age=0"
    assert read_cookies(Answer(302, {"set-cookie": lines}, b"")) == "GRR=b"
    with pytest.raises(TransientError, match=r"^no_session$"):
        read_cookies(Answer(302, {}, b""))


@pytest.mark.parametrize(
    ("operation", "changed"),
    [
        ("reserver", {"debut": "2030-03-05 10:00"}),
        ("reserver", {"debut": "2030-02-30T10:00"}),
        ("reserver", {"fin": "2030-03-05T10:00"}),
        ("reserver", {"nom": "x" * 81}),
        ("reserver", {"nom": " "}),
        ("reserver", {"beneficiaire": {"nom": "a|b"}}),
        ("reserver", {"champs": {"dragdrop": "1"}}),
        ("creneaux", {"ressource": 0}),
        ("annuler", {"reservation": "41&series=1"}),
    ],
)
async def test_what_the_contract_does_not_allow_never_leaves(operation, changed):
    async with facing() as (grr, sandbox):
        wrong = message(operation, **changed)
        with pytest.raises(RefusedError, match=r"^message_invalid$"):
            await grr.deliver(wrong)
        assert wrong.exchange.fault
        assert wrong.exchange.sent == b""
        assert sandbox.log_ins == 0


@pytest.mark.parametrize("settings", [{"password": None}, {"username": "x"}, {"bearer": "x"}, {"login": ""}])
def test_grr_has_one_account_and_it_is_that_of_its_form(settings):
    given = {"url": "http://grr.example.org/", "login": "hub", "password": "secret", **settings}
    with pytest.raises(ValidationError):
        connectors.grr.connect(given, ERRORS)


@pytest.mark.parametrize("operation", MESSAGES)
def test_the_published_contract_is_what_is_checked(operation):
    contract = FOLDER / Manifest.read(FOLDER).operations[operation].contract
    published = orjson.loads(contract.read_bytes())
    assert published.pop("$schema") == "https://json-schema.org/draft/2020-12/schema"
    assert published == MESSAGES[operation].model_json_schema()


def typed() -> Outbound:
    """What a number that an agent typed is asked by: its body is empty."""
    return Outbound(KEY, "reserver", b"", soon())


async def test_a_booking_is_found_by_its_number_until_it_is_cancelled():
    async with facing() as (grr, sandbox):
        number = (await grr.deliver(message())).reference
        asked = typed()
        assert await grr.find(asked, number) is True
        assert asked.exchange.sent == f"GET app.php?p=vuereservation&id={number}&mode=page".encode()
        assert asked.exchange.answered
        assert await grr.find(typed(), "999999") is False
        await grr.deliver(message("annuler", reservation=int(number)))
        assert await grr.find(typed(), number) is False
        assert sandbox.taken() == {KEY: 1, number: 1}


@pytest.mark.parametrize("number", ["", "0", "042", "42&mode=page", "42 ", "42\n", "quarante-deux", "12345678901"])
async def test_what_is_no_number_of_grr_s_is_not_asked(number):
    async with facing() as (grr, _):
        asked = typed()
        with pytest.raises(RefusedError, match=r"^reference_invalid$"):
            await grr.find(asked, number)
        assert not asked.exchange.sent


@pytest.mark.parametrize("words", [pages.DELETED, pages.NEVER_SAVED])
async def test_a_citizen_s_words_are_not_grr_s(words):
    async with facing() as (grr, _):
        number = (await grr.deliver(message(description=words))).reference
        assert await grr.find(typed(), number) is True


@pytest.mark.parametrize(
    "page",
    [
        "",
        pages.layout("<h1>Mairie</h1>", known=True),
        pages.denied("fr"),
        pages.booking("43", "Mariage", "Vœux"),
        pages.layout(f"<fieldset><legend>Réservation</legend>{pages.DELETED}</fieldset>", known=True),
    ],
)
def test_a_page_that_shows_no_booking_and_does_not_say_so_is_a_doubt(page):
    with pytest.raises(UncertainError, match=r"^unreadable$"):
        read_exists(answer(page), "42")


@pytest.mark.parametrize("stranger", ["door", "page", "redirect", "closed"])
async def test_a_number_is_asked_again_once_the_session_is_open_again(stranger):
    async with facing() as (grr, sandbox):
        sandbox.stranger = stranger
        number = (await grr.deliver(message())).reference
        sandbox.sessions.clear()
        assert await grr.find(typed(), number) is True
        assert sandbox.log_ins == 2
