"""Requests are found again by the numbers that their kind declares, of which the ledger keeps no text."""

import pytest
import yaml
from sqlalchemy import select

from hub.access import Role
from hub.app import open_hub
from hub.tables_operations import BUSINESS_KEYS

INVOICES = ["F-2026-0107", "F-2026-0108"]


@pytest.fixture
async def desk(settings, open_desk):
    """A front end of a hub where one kind declares keys, and carries nothing."""
    file = settings.homes[0] / "routes/avis/route.yaml"
    said = yaml.safe_load(file.read_text())
    keys = {"facture": "data.rues", "objet": "data.objet", "illisible": "$number(data.objet)"}
    file.write_text(yaml.safe_dump({**said, "keys": keys}, sort_keys=False, allow_unicode=True))
    async with open_hub(settings, serve=False) as opened:
        desk = await open_desk(opened)
        desk.hub = opened
        yield desk


async def found(desk, said):
    return [one["number"] for one in (await desk.get("/v1/requests", params={"q": said})).json()["requests"]]


async def kept(desk):
    return await desk.hub.ledger.read(lambda connection: connection.execute(select(BUSINESS_KEYS)).all())


async def test_a_request_is_found_by_each_value_of_a_key_that_its_kind_declares(desk):
    number = await desk.submitted("avis", data={"objet": "Dossier 12", "rues": INVOICES})
    await desk.submitted("avis", key="k-2", data={"objet": "Dossier 13", "rues": ["F-2026-0109"]})
    for said in (*INVOICES, "f 2026 0107", "dossier 12"):
        assert await found(desk, said) == [number]
    assert await found(desk, "F-2026-0110") == []


async def test_the_ledger_keeps_no_text_of_a_key(desk):
    await desk.submitted("avis", data={"objet": "Dossier 12", "rues": INVOICES})
    rows = await kept(desk)
    assert sorted(row.name for row in rows) == ["facture", "facture", "objet"]
    assert not any(text.casefold() in row.value for row in rows for text in (*INVOICES, "dossier"))


async def test_a_key_that_cannot_be_read_refuses_nothing(desk):
    answer = await desk.submit("avis", data={"objet": "x", "rues": []})
    assert answer.status_code == 202
    assert [row.name for row in await kept(desk)] == ["objet"]


async def test_a_repetition_adds_no_key_and_a_kind_that_declares_none_has_none(desk):
    for _ in range(2):
        await desk.submit("avis", data={"objet": "x", "rues": INVOICES})
    await desk.submit("essai", key="k-2", data={"objet": "F-2026-0107"})
    assert len(await kept(desk)) == 3


async def test_a_key_shows_nobody_the_requests_of_another_house(desk, open_desk):
    await desk.submitted("avis", data={"objet": "x", "rues": INVOICES})
    other = await open_desk(desk.hub, front_end="publik")
    operator = await open_desk(desk.hub, Role.OPERATOR, "*")
    assert await found(other, INVOICES[0]) == []
    assert len(await found(operator, INVOICES[0])) == 1
