"""Who comes into the console, and who does not."""

import re

import pytest
from sqlalchemy import select

from hub.accounts import MOST_FAILURES, Right
from hub.tables_operations import SESSIONS
from tests.console.conftest import PASSWORD


async def test_a_stranger_is_led_to_the_entrance_and_then_to_the_page_they_wanted(console):
    await console.account("agnes")
    stranger = console.stranger()
    led = await stranger.get("/console/mes-droits")
    assert (led.status_code, led.headers["location"]) == (303, "/console/connexion?suite=%2Fconsole%2Fmes-droits")
    page = await stranger.get(led.headers["location"])
    assert 'name="suite" value="/console/mes-droits"' in page.text
    entered = await stranger.post(
        "/console/connexion", data={"login": "Agnes ", "password": PASSWORD, "suite": "/console/mes-droits"}
    )
    assert (entered.status_code, entered.headers["location"]) == (303, "/console/mes-droits")
    cookie = entered.headers["set-cookie"]
    assert all(said in cookie for said in ("__Host-hub=", "HttpOnly", "Secure", "SameSite=lax", "Path=/"))
    token = re.match(r"__Host-hub=([^;]+)", cookie)[1]
    assert (await stranger.get("/console/mes-droits", headers={"cookie": f"__Host-hub={token}"})).status_code == 200


async def test_wrong_logins_and_wrong_passwords_read_alike(console):
    await console.account("agnes")
    said = set()
    for login, password in (("agnes", "faux"), ("personne", PASSWORD)):
        answer = await console.stranger().post("/console/connexion", data={"login": login, "password": password})
        assert answer.status_code == 401
        said.add(answer.text.replace(login, ""))
    assert len(said) == 1
    assert "Identifiant ou mot de passe incorrect" in said.pop()


async def test_after_wrong_passwords_the_right_one_does_not_help(console):
    await console.account("agnes")
    stranger = console.stranger()
    for _ in range(MOST_FAILURES):
        await stranger.post("/console/connexion", data={"login": "agnes", "password": "faux"})
    answer = await stranger.post("/console/connexion", data={"login": "agnes", "password": PASSWORD})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("after", ["https://ailleurs.example/", "//ailleurs.example", "/console//x", "/v1/requests"])
async def test_one_is_never_led_to_another_site(console, after):
    await console.account("agnes")
    answer = await console.stranger().post(
        "/console/connexion", data={"login": "agnes", "password": PASSWORD, "suite": after}
    )
    assert answer.headers["location"] == "/console/"


async def test_whoever_leaves_is_out_at_once(console):
    agnes = await console.enter()
    left = await agnes.submit("/console/sortie")
    assert left.headers["location"] == "/console/connexion"
    assert (await agnes.get("/console/mes-droits")).status_code == 303


async def test_a_stay_ends_when_nobody_shows_a_sign_of_life(console):
    agnes = await console.enter()
    await console.hub.ledger.write(_age_sessions, console.hub.settings.console.idle.total_seconds() * 1000 + 1)
    assert (await agnes.get("/console/mes-droits")).status_code == 303


async def test_a_page_that_refreshes_itself_is_no_sign_of_life(console):
    agnes = await console.enter()
    idle = console.hub.settings.console.idle.total_seconds() * 1000
    await console.hub.ledger.write(_age_sessions, idle * 0.9)
    polled = await agnes.get("/console/mes-droits", headers={"hx-request": "true", "x-by-itself": "yes"})
    assert polled.status_code == 200
    await console.hub.ledger.write(_age_sessions, idle * 0.2)
    assert (await agnes.get("/console/mes-droits")).status_code == 303


async def test_a_part_of_a_page_leads_back_to_the_page(console):
    headers = {"hx-request": "true", "hx-current-url": f"{console.url}/console/lots/1?issue=ok"}
    answer = await console.stranger().get("/console/lots/1/suivi", headers=headers)
    assert answer.headers["hx-redirect"] == "/console/connexion?suite=%2Fconsole%2Flots%2F1%3Fissue%3Dok"


async def test_what_no_keyboard_types_is_refused_before_it_is_looked_up(console):
    answer = await console.stranger().post("/console/connexion", data={"login": "a\0", "password": PASSWORD})
    assert answer.status_code == 403


def _age_sessions(connection, by):
    connection.execute(SESSIONS.update().values(seen_at=SESSIONS.c.seen_at - by[0]))
    return [None]


async def test_what_the_ledger_keeps_of_a_stay_lets_nobody_in(console):
    agnes = await console.enter()
    [kept] = await console.hub.ledger.read(lambda c: c.scalars(select(SESSIONS.c.hash)).all())
    assert kept != agnes.token
    thief = console.stranger()
    assert (await thief.get("/console/mes-droits", headers={"cookie": f"__Host-hub={kept}"})).status_code == 303


@pytest.mark.parametrize(
    ("csrf", "headers"),
    [
        ("", {}),
        ("faux", {}),
        (None, {"origin": "https://ailleurs.example"}),
        (None, {"sec-fetch-site": "cross-site"}),
    ],
)
async def test_a_form_that_no_page_of_ours_sent_changes_nothing(console, csrf, headers):
    agnes = await console.enter()
    fields = {"csrf": agnes.csrf if csrf is None else csrf, "language": "en"}
    answer = await agnes.post("/console/mes-droits/preferences", data=fields, headers=headers)
    assert answer.status_code == 403
    assert "Ce formulaire n'est plus valable" in answer.text.replace("&#39;", "'")
    assert 'lang="fr"' in (await agnes.get("/console/mes-droits")).text


async def test_a_new_password_ends_every_stay_and_a_wrong_one_changes_nothing(console):
    agnes = await console.enter()
    wanted = {"present": "faux", "wanted": "un autre mot de passe long"}
    assert (await agnes.submit("/console/mes-droits/mot-de-passe", **wanted)).status_code == 422
    wanted["present"] = PASSWORD
    assert (await agnes.submit("/console/mes-droits/mot-de-passe", **wanted)).status_code == 303
    assert (await agnes.get("/console/mes-droits")).status_code == 303
    entered = await console.stranger().post(
        "/console/connexion", data={"login": "agnes", "password": "un autre mot de passe long"}
    )
    assert entered.status_code == 303


async def test_a_page_says_which_rights_one_has_and_speaks_ones_language(console):
    bruno = await console.enter("bruno", rights=[Right.METADATA], language="en")
    page = (await bruno.get("/console/mes-droits")).text
    assert "My rights" in page
    assert page.count("<td>yes</td>") == 1


async def test_every_page_forbids_what_is_not_of_the_console(console):
    agnes = await console.enter()
    headers = (await agnes.get("/console/mes-droits")).headers
    assert "script-src 'self'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"


async def test_there_is_no_such_page_reads_as_a_page(console):
    agnes = await console.enter()
    answer = await agnes.get("/console/nulle-part")
    assert answer.status_code == 404
    assert "Cette page n" in answer.text
