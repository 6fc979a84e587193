"""An export tells everything it can: what does not open, and what is missing, is noted, and the rest goes on."""

import json

import orjson
import pytest

from hub import acts
from hub.attachments import FIELDS, Described
from hub.privacy.export import MISSING, UNREADABLE, place_of
from hub.privacy.office import Office
from hub.privacy.parcels import hand_over
from hub.privacy.person import Sought
from tests.privacy.conftest import FAMILY, PDF

FORMER = "Perruche d'autrefois"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_what_cannot_be_read_is_noted_and_the_rest_is_told(make_aviary, tmp_path):
    async with make_aviary(sealed=True) as town:
        shut, lost = await town.submit("depot"), await town.submit("depot")
        for number in (shut, lost):
            await town.settle(number, "done")
        town.target.break_with("refused")
        corrected = await town.submit("depot", attached=False, message=FORMER)
        await town.settle(corrected, "parked")
        data = {**orjson.loads(town.request(corrected).body)["data"], "message": "Bonjour"}
        await town.act(acts.Correct(corrected, data, "agent"))
        town.change("UPDATE request SET data_key = :k WHERE number = :n", k=b"elsewhere" * 8, n=shut)
        [row] = town.rows("SELECT stored FROM attachment WHERE request = :n", n=lost)
        [kept] = (tmp_path / "files").rglob(row.stored)
        kept.unlink()
        office = Office(town.hub.settings, town.hub.ledger.engine, town.hub.ledger.book)
        assert office.numbers(Sought(said=(FORMER,), deep=True)) == [corrected]
        await hand_over(office, [shut, lost, corrected], tmp_path / "export")
        told = json.loads((tmp_path / "export/demandes.json").read_text())
        first, second, third = (
            next(one for one in told["requests"] if one["number"] == f"{number:09d}")
            for number in (shut, lost, corrected)
        )
        assert first["said"] == first["recipients"][0]["attempts"][0]["sent"] == UNREADABLE
        assert second["said"]["data"]["nom"] == FAMILY
        assert (second["files"][0]["file"], second["files"][0]["missing"]) == (None, MISSING)
        assert FORMER in json.dumps(third["said_before_corrections"], ensure_ascii=False)
        refused = next(one for one in third["recipients"] if one["target"] == "cible")
        assert refused["code"]
        assert refused["stage"]
        assert refused["attempts"][0]["http_status"] >= 400
        assert "fault" in refused["attempts"][0]
        assert [file.read_bytes() for file in (tmp_path / "export").rglob("*.pdf")] == [PDF]


def test_a_long_name_fits_a_folder():
    name = "é" * 250 + ".pdf"
    described = Described(**dict.fromkeys(FIELDS) | {"request": 1, "id": "a" * 32, "name": name})
    last = place_of(described).rpartition("/")[2]
    assert len(last.encode()) <= 255
    assert last.endswith(".pdf")
