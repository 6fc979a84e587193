"""« Décisions »: what awaits a person, found, read with its papers, and settled once."""

import asyncio
import re

import pytest
from sqlalchemy import select

from hub.access import Role, new_key
from hub.accounts import Right
from hub.keys import add_keys
from hub.tables import EVENTS, REQUESTS

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108020000009077"
    "53de0000000c4944415408d763f8ffff3f0005fe02fea7352e1b0000000049454e44ae426082"
)
REASON = "Justificatif de domicile invalide"


async def request_of(console, number):
    return await console.hub.ledger.read(lambda c: c.execute(select(REQUESTS).where(REQUESTS.c.number == number)).one())


async def shown(person, number):
    """Open a request that awaits a decision, and give what its form sends back."""
    page = await person.get(f"/console/decisions/{number}")
    return {name: re.search(f'name="{name}" value="([^"]+)"', page.text)[1] for name in ("step", "seen")}


async def test_what_awaits_a_decision_is_listed_in_the_order_it_came(resting_console):
    numbers = [await resting_console.submit("avis", f"k-{index}") for index in range(3)]
    await resting_console.submit("essai", "k-9")
    agnes = await resting_console.enter()
    page = (await agnes.get("/console/decisions")).text
    assert [int(found) for found in re.findall(r'href="/console/decisions/(\d+)"', page)] == numbers
    assert "3 demandes attendent une décision." in page


async def test_an_accepted_request_goes_on_and_the_next_one_is_shown(resting_console):
    first, second = [await resting_console.submit("avis", f"k-{index}") for index in range(2)]
    agnes = await resting_console.enter()
    answer = await agnes.submit(f"/console/decisions/{first}", accept="true", **await shown(agnes, first))
    assert answer.headers["location"] == f"/console/decisions/{second}?dit=accepted"
    assert "La demande est acceptée" in (await agnes.get(answer.headers["location"])).text
    assert (await request_of(resting_console, first)).awaiting == ""


async def test_a_refusal_says_why(resting_console):
    number = await resting_console.submit("avis")
    agnes = await resting_console.enter()
    saw = await shown(agnes, number)
    without = await agnes.submit(f"/console/decisions/{number}", accept="false", **saw)
    assert without.status_code == 422
    assert "Indiquez le motif" in without.text
    given = await agnes.submit(f"/console/decisions/{number}", accept="false", reason=REASON, **saw)
    assert given.headers["location"] == "/console/decisions?dit=gone"
    row = await request_of(resting_console, number)
    assert (row.status, row.stage) == ("refused", REASON)


async def test_of_two_who_decide_at_once_one_does_and_the_other_is_told(resting_console):
    number = await resting_console.submit("avis")
    agnes, bruno = await resting_console.enter("agnes"), await resting_console.enter("bruno")
    saw = await shown(agnes, number)
    answers = await asyncio.gather(
        agnes.submit(f"/console/decisions/{number}", accept="true", **saw),
        bruno.submit(f"/console/decisions/{number}", accept="false", reason=REASON, **saw),
    )
    assert sorted(answer.status_code for answer in answers) == [303, 409]
    [late] = [answer for answer in answers if answer.status_code == 409]
    assert "a changé depuis que vous l" in late.text


async def test_a_paper_is_shown_in_the_page_and_each_look_is_written_down(resting_console):
    ledger = resting_console.hub.ledger
    text, key = new_key(resting_console.hub.secret, ledger.book.now(), front_end="portail", role=Role.FRONT_END)
    await ledger.write(add_keys, key)
    desk = resting_console.stranger()
    sent = await desk.post(
        "/v1/attachments", files={"file": ("photo.png", PNG)}, headers={"Authorization": f"Bearer {text}"}
    )
    assert sent.status_code == 201, sent.text
    number = await resting_console.submit("avis", attachments=[sent.json()["id"]])
    agnes = await resting_console.enter()
    page = (await agnes.get(f"/console/decisions/{number}")).text
    [paper] = re.findall(r'<img src="(/console/pieces/[0-9a-f]{32})"', page)
    answer = await agnes.get(paper)
    assert answer.content == PNG
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    looks = await ledger.read(
        lambda c: c.execute(select(EVENTS.c.actor, EVENTS.c.note).where(EVENTS.c.kind == "revealed")).all()
    )
    assert {look.actor for look in looks} == {"console/agnes"}
    assert [look.note.split()[0] for look in looks] == ["data:", "file"]


async def test_who_may_not_see_contents_decides_without_them(resting_console):
    number = await resting_console.submit("avis")
    bruno = await resting_console.enter("bruno", rights=[Right.METADATA, Right.DECIDE])
    page = (await bruno.get(f"/console/decisions/{number}")).text
    assert "Martin" not in page
    assert "sans voir les contenus" in page
    assert (await bruno.get("/console/pieces/" + "0" * 32)).status_code == 403


@pytest.mark.parametrize("kept_to", [{"kinds": frozenset({"essai"})}, {"sites": frozenset({"ailleurs"})}])
async def test_a_stranger_to_a_kind_or_a_site_does_not_learn_that_it_exists(resting_console, kept_to):
    number = await resting_console.submit("avis")
    bruno = await resting_console.enter("bruno", **kept_to)
    assert (await bruno.get(f"/console/decisions/{number}")).status_code == 404
    assert (await bruno.get("/console/decisions")).text.count(f"/decisions/{number}") == 0
    assert (await bruno.submit(f"/console/decisions/{number}", accept="true", step="x", seen="1")).status_code == 404


async def test_who_may_not_decide_is_told_which_right_they_lack(resting_console):
    number = await resting_console.submit("avis")
    bruno = await resting_console.enter("bruno", rights=[Right.METADATA])
    answer = await bruno.get(f"/console/decisions/{number}")
    assert answer.status_code == 403
    assert "Le droit nécessaire : Décider." in answer.text


async def test_nothing_is_shown_of_a_request_that_awaits_nobody(resting_console):
    number = await resting_console.submit("essai")
    agnes = await resting_console.enter()
    page = await agnes.get(f"/console/decisions/{number}")
    assert page.status_code == 200
    assert "Lefèvre" not in page.text
    revealed = select(EVENTS).where(EVENTS.c.kind == "revealed")
    assert await resting_console.hub.ledger.read(lambda c: c.execute(revealed).all()) == []


async def test_what_was_just_done_is_said_once(resting_console):
    await resting_console.submit("avis")
    agnes = await resting_console.enter()
    page = (await agnes.get("/console/decisions?kind=avis&dit=gone")).text
    assert "C&#39;était la dernière" in page
    assert re.search(r'href="/console/decisions/\d+\?kind=avis"', page)


async def test_a_number_that_is_none_is_no_page(resting_console):
    agnes = await resting_console.enter()
    assert (await agnes.get(f"/console/decisions/{10**30}")).status_code == 404
