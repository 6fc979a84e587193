"""`hub gdpr` at the keyboard: what is due is listed, kept longer on a ground, handed over, erased, or refused."""

import asyncio
import json
import sqlite3
from contextlib import closing

import pytest
import yaml
from typer.testing import CliRunner

from hub.cli_gdpr import gdpr
from tests.privacy.conftest import EMAIL, FAMILY, IN_FILE, SECRET

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def run(tmp_path, make_aviary):
    """Run a verb on the town's ledger."""

    def running(*words):
        file = tmp_path / "hub.yaml"
        said = {
            "database": f"sqlite:///{tmp_path}/hub.db",
            "homes": ["home"],
            "files": "files",
            "secret_file": "secret",
        }
        file.write_text(yaml.safe_dump(said))
        found = CliRunner().invoke(gdpr, [*words, "--config", str(file), "--json"])
        assert found.exception is None or isinstance(found.exception, SystemExit), found.output
        return found.exit_code, json.loads(found.stdout) if found.stdout.startswith(("[", "{")) else found.output

    return running


async def test_a_person_is_handed_what_is_held_and_then_erased(make_aviary, run, tmp_path):
    async with make_aviary(sealed=True) as town:
        done = await town.submit("depot")
        await town.settle(done, "done")
        parked = await town.submit("instruit")
        await town.settle(parked, "waiting")
        await town.told(done, parked)
    code, said = await asyncio.to_thread(run, "export", "--email", EMAIL, "--out", str(tmp_path / "export"))
    assert (code, sorted(said["requests"])) == (0, sorted([f"{done:09d}", f"{parked:09d}"]))
    told = json.loads((tmp_path / "export/demandes.json").read_text())
    assert SECRET in json.dumps(told, ensure_ascii=False)
    first = next(one for one in told["requests"] if one["number"] == f"{done:09d}")
    sent = next(one for one in first["recipients"] if one["target"] == "cible")
    assert EMAIL in sent["attempts"][0]["sent"]
    assert any(IN_FILE.encode() in file.read_bytes() for file in (tmp_path / "export/pieces").rglob("*.pdf"))
    code, rows = await asyncio.to_thread(run, "erase", "--email", EMAIL, "--name", FAMILY)
    assert code == 1
    assert {row["number"]: bool(row["held"]) for row in rows} == {f"{done:09d}": False, f"{parked:09d}": True}
    code, rows = await asyncio.to_thread(run, "erase", "--number", f"{parked:09d}", "--force", "décision du délégué")
    assert (code, [row["erased"] for row in rows]) == (0, [True])
    audited = "SELECT detail FROM audit WHERE object = ? AND action = 'gdpr.purge' ORDER BY n"
    details = [json.loads(detail) for [detail] in look(tmp_path, audited, f"request {parked:09d}")]
    assert [one["why"] for one in details] == ["erasure", "erasure"]
    assert "délégué" not in str(details)
    assert "reason" in details[1]
    told = look(tmp_path, "SELECT note FROM event WHERE request = ? AND kind = 'purge'", parked)
    assert told == [("erasure: décision du délégué",)]
    assert (await asyncio.to_thread(run, "export", "--email", EMAIL, "--out", str(tmp_path / "again")))[0] == 1
    assert not (tmp_path / "again").exists()


async def test_a_request_is_kept_longer_on_a_ground(make_aviary, run, database):
    async with make_aviary() as town:
        number = await town.submit("depot")
        await town.settle(number, "done")
        await town.told(number)
        town.change("UPDATE request SET ended_at = ended_at - :y", y=400 * 86_400_000)
    number = f"{number:09d}"
    assert (await asyncio.to_thread(run, "due"))[1][0] | {"at": ""} == {
        "number": number,
        "kind": "depot",
        "why": "ended",
        "at": "",
        "is_due": True,
        "held": "",
        "classes": [],
    }
    assert (await asyncio.to_thread(run, "purge"))[1] == {"due": 1}
    code, _ = await asyncio.to_thread(
        run, "extend", number, "--until", "2090-01-01", "--ground", "litigation", "--reason", "Référé n° 12"
    )
    assert code == 0
    assert [(row["held"], row["is_due"]) for row in (await asyncio.to_thread(run, "due"))[1]] == [("extended", False)]
    assert (await asyncio.to_thread(run, "purge", "--now"))[1] == {"purged": 0, "trimmed": 0, "files": 0}
    assert (await asyncio.to_thread(run, "erase", "--number", number))[1][0][
        "held"
    ] == "it is kept longer on a legal ground"
    assert (
        await asyncio.to_thread(
            run, "extend", "999999999", "--until", "2090-01-01", "--ground", "audit", "--reason", "x"
        )
    )[0] == 1


async def test_an_export_is_audited_first_and_a_parcel_that_is_not_whole_goes_again(
    make_aviary, run, tmp_path, database
):
    async with make_aviary() as town:
        number = await town.submit("depot")
        await town.settle(number, "done")
        town.change("UPDATE attachment SET name = :n", n="a\0b.pdf")
    await asyncio.to_thread(run, "due")
    said = ["export", "--number", f"{number:09d}", "--out", str(tmp_path / "export"), "-c", str(tmp_path / "hub.yaml")]
    failed = await asyncio.to_thread(CliRunner().invoke, gdpr, said)
    assert isinstance(failed.exception, ValueError)
    assert not (tmp_path / "export").exists()
    assert look(tmp_path, "SELECT object FROM audit WHERE action = 'gdpr.export'") == [(f"request {number:09d}",)]


def look(folder, sql, *values):
    """Read the ledger that a verb has written to."""
    with closing(sqlite3.connect(folder / "hub.db")) as connection:
        return connection.execute(sql, values).fetchall()


@pytest.mark.parametrize(
    "words",
    [
        ("erase",),
        ("erase", "--name", FAMILY),
        ("erase", "--number", "12"),
        ("erase", "--number", "100000000", "--email", EMAIL),
        ("extend", "100000000", "--until", "2090-01-01", "--ground", "caprice", "--reason", "x"),
        ("extend", "100000000", "--until", "2020-01-01", "--ground", "audit", "--reason", "x"),
    ],
)
def test_what_is_not_said_clearly_is_refused(run, database, words):
    assert run(*words)[0] == 2
