"""The front end hears of every stage, in order, signed, once."""

import orjson

from hub.acts import Decide, Finalize


def said(town):
    rows = town.rows(
        "SELECT a.id, a.delivery FROM attempt a JOIN delivery d ON d.id = a.delivery "
        "WHERE d.step = 'callback' AND a.outcome = 'accepted' ORDER BY d.item"
    )
    sent = {one.id: one.sent for delivery in {row.delivery for row in rows} for one in town.attempts(delivery)}
    return [orjson.loads(sent[row.id]) for row in rows]


def callbacks(town, number):
    return town.rows("SELECT * FROM delivery WHERE request = :n AND step = 'callback' ORDER BY item", n=number)


async def told(town, number, count):
    await town.until(
        lambda: [row.state for row in callbacks(town, number)] == ["delivered"] * count,
    )
    return [message["etape"] for message in said(town)]


async def test_the_front_end_hears_of_the_end(town):
    number = await town.submit("lookup")
    assert await told(town, number, 1) == ["Accepté"]
    message = said(town)[0]
    assert (message["numero"], message["final"], message["sequence"]) == ("100 000 000", True, 1)
    assert str(number)[-3:] in message["message"]
    assert town.front_end.taken() == {f"{number}-2": 1}


async def test_stages_are_told_in_the_order_they_were_reached(town):
    town.target.break_with("cut_before")
    number = await town.submit("once")
    await town.settle(number, "parked")
    await town.act(Finalize(number * 1000 + 1, "saisie", "BO-1"))
    assert await told(town, number, 2) == [
        "Erreur lors de l'intégration de la demande"
        if town.delivery(number).stage == ""
        else town.delivery(number).stage,
        "Demande finalisée manuellement après erreur d'intégration",
    ]


async def test_a_later_stage_waits_for_the_one_before_it(town):
    town.front_end.break_with("error_500", times=6)
    number = await town.submit("circuit", enfants=["Zoé"])
    await town.act(Decide(number, accepted=True))
    await town.settle(number, "done")
    await told(town, number, 2)
    deliveries = [
        row.delivery for row in town.rows("SELECT delivery FROM attempt WHERE outcome = 'accepted' ORDER BY id")
    ]
    mine = [one for one in deliveries if one in {row.id for row in callbacks(town, number)}]
    assert mine == sorted(mine)


async def test_a_front_end_that_refuses_one_call_hears_the_next(town):
    town.front_end.break_with("refused" if "refused" in town.front_end.menu else "gone")
    number = await town.submit("circuit", enfants=["Zoé"])
    await town.act(Decide(number, accepted=True))
    await town.settle(number, "done")
    await town.until(lambda: [row.state for row in callbacks(town, number)] == ["parked", "delivered"])


async def test_a_call_back_that_fails_does_not_hold_the_request(town):
    town.front_end.break_with("error_500", times=-1)
    number = await town.submit("lookup")
    assert (await town.settle(number)).status == "done"


async def test_no_vendors_text_is_in_a_call_back(town):
    town.target.break_with("refused")
    number = await town.submit("lookup")
    await told(town, number, 1)
    assert b"classement" not in orjson.dumps(said(town))
