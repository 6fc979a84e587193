"""What citizens wrote lies sealed in the ledger and in the store: nobody reads it there, and it opens only in place."""

import asyncio
import json
import os
import signal
import sys

import pytest
from typer.testing import CliRunner

from hub.cli import app
from hub.errors import ConfigurationError, ConflictError
from hub.locker import add_key, open_vault, register
from hub.rotation import counts, retire, turn

CANARY = "Quetzalcoatlus-7731"

SEALED = {
    "request": ("body",),
    "delivery": ("given", "answer"),
    "attempt": ("sent", "answered"),
    "revision": ("body",),
}
"""The columns that are sealed, by their table."""


def everything(town):
    """Read every column of the tables that hold what citizens wrote."""
    return [str(tuple(row)) for table in SEALED for row in town.rows(f"SELECT * FROM {table}")]  # noqa: S608  # ours


async def test_nothing_that_a_citizen_wrote_can_be_read_in_the_ledger(town):
    numbers = [await town.submit("lookup", objet=CANARY), await town.submit("circuit", objet=CANARY, enfants=[CANARY])]
    await town.settle(numbers[0])
    assert CANARY.upper().encode() in town.attempts(numbers[0] * 1000 + 1)[0].sent
    assert CANARY in town.request(numbers[1]).body
    assert not [row for row in everything(town) if CANARY.lower() in row.lower()]


async def test_a_value_swapped_between_two_requests_is_refused_and_waits_for_a_person(make_town):
    async with make_town(serve=False) as town:
        first, second = await town.submit("once"), await town.submit("once")
        bodies = {row.number: row.body for row in town.rows("SELECT number, body FROM request")}
        town.change("UPDATE request SET body = :b WHERE number = :n", b=bodies[first], n=second)
    async with make_town() as town:
        await town.settle(first, "done")
        await town.until(lambda: town.delivery(second).state == "parked")
        assert town.delivery(second).code == "sealed_unreadable"
        assert second * 1000 + 1 not in town.taken
        assert len(town.taken) == 1


async def test_a_request_whose_key_is_gone_waits_for_a_person_and_holds_nobody_up(make_town):
    async with make_town(serve=False) as town:
        lost, sound = await town.submit("idempotent"), await town.submit("idempotent")
        town.change("UPDATE request SET data_key = NULL WHERE number = :n", n=lost)
    async with make_town() as town:
        await town.settle(sound, "done")
        await town.until(lambda: town.delivery(lost).state == "parked")


async def test_a_hub_without_the_key_of_its_ledger_does_not_start(make_town, tmp_path):
    async with make_town(serve=False) as town:
        await town.submit("once")
    (tmp_path / "keys").rename(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="key-encryption keys"):
        async with make_town():
            pass
    add_key_to(tmp_path / "keys")
    with pytest.raises(ConfigurationError, match="sealed under it"):
        async with make_town():
            pass


def add_key_to(file):
    """Make a file of keys that holds a new one alone."""
    file.write_text("# keys\n")
    return add_key(file)


async def test_an_old_key_is_read_while_a_new_one_wraps(make_town, tmp_path):
    async with make_town() as town:
        before = await town.submit("once")
        await town.settle(before)
    new = add_key(tmp_path / "keys")
    async with make_town() as town:
        after = await town.submit("once")
        await town.settle(after)
        assert CERTIFICATE in town.request(before).body
        names = {row.number: bytes(row.data_key)[:4].hex() for row in town.rows("SELECT number, data_key FROM request")}
    assert (names[after], names[before] == new) == (new, False)


CERTIFICATE = "certificat"


async def test_keys_turn_while_requests_come_in(make_town, tmp_path, monkeypatch):
    monkeypatch.setattr("hub.rotation.BATCH", 2)
    async with make_town() as town:
        numbers = [await town.submit("idempotent") for _ in range(5)]
        new = add_key(tmp_path / "keys")
        vault = open_vault(town.hub.settings)
        arrivals = []
        turned = turn(town.hub.ledger.engine, vault, arrivals.append)
        numbers.append(await town.submit("idempotent"))  # still under the old key, perhaps
        turn(town.hub.ledger.engine, vault)
        for number in numbers:
            await town.settle(number, "done")
            assert CERTIFICATE in town.request(number).body
        found = town.hub.ledger.look(counts)
        assert (turned.rewrapped, turned.lost, len(arrivals) >= 3) == (5, 0, True)
        assert {name for name, keys in found.items() if keys} == {new}


async def test_a_key_is_let_go_only_once_nothing_is_under_it(make_town, tmp_path):
    async with make_town(serve=False) as town:
        await town.submit("once")
        [old] = town.hub.ledger.book.vault.keys.names
        new = add_key(tmp_path / "keys")
        engine = town.hub.ledger.engine
        later = town.hub.ledger.book.now() + 61_000
        with engine.begin() as connection, pytest.raises(ConflictError, match="data are still under it"):
            retire(connection, old, new, later)
        turn(engine, open_vault(town.hub.settings))
        register_now(engine, new, later - 61_000)
        with engine.begin() as connection, pytest.raises(ConflictError, match="less than a minute ago"):
            retire(connection, old, new, later - 60_000)
        with engine.begin() as connection, pytest.raises(ConflictError, match="key that seals"):
            retire(connection, new, new, later)
        with engine.begin() as connection:
            retire(connection, old, new, later)


def register_now(engine, name, moment):
    """Write down that a key came at this moment."""
    with engine.begin() as connection:
        register(connection, [(name, moment)])


KILLED = """
import os, signal, sys
from pathlib import Path
from hub import rotation
from hub.cli_local import read_settings
from hub.database import open_database
from hub.locker import open_vault

rotation.BATCH = 2
settings = read_settings(Path(sys.argv[1]))
rotation.turn(open_database(settings.database), open_vault(settings), lambda done: os.kill(os.getpid(), signal.SIGKILL))
"""


async def test_a_rotation_killed_half_way_goes_on_where_it_was(make_town, tmp_path, database):
    async with make_town(serve=False) as town:
        numbers = [await town.submit("once") for _ in range(5)]
        new = add_key(tmp_path / "keys")
        (tmp_path / "hub.yaml").write_text(f"database: {database}\nsecret_file: secret\n")
        killed = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, tmp_path / "hub.yaml", cwd=tmp_path)
        await killed.wait()
        half = town.hub.ledger.look(counts)
        assert (killed.returncode, half[new]) == (-signal.SIGKILL, 2)
        assert all(CERTIFICATE in town.request(number).body for number in numbers)
        assert turn(town.hub.ledger.engine, open_vault(town.hub.settings)).rewrapped == 3
        assert all(CERTIFICATE in town.request(number).body for number in numbers)


async def test_files_lie_sealed_and_are_given_back_whole(make_town, tmp_path):
    content = b"%PDF-1.4\n" + os.urandom(300_000) + CANARY.encode() + b"\n%%EOF\n"

    async def stream():
        yield content

    async with make_town(serve=False) as town:
        attachments = town.hub.attachments
        kept = await attachments.receive(stream(), "plan.pdf", "portail")
        [found] = await attachments.find([kept.id])
        assert b"".join([piece async for piece in attachments.open(found)]) == content
        lying = [file for file in (tmp_path / "files").rglob("*") if file.is_file()]
        assert [file.name for file in lying] == [kept.stored]
        assert CANARY.encode() not in lying[0].read_bytes()
        assert kept.stored != kept.sha256


async def test_an_operator_turns_the_key_from_a_terminal(make_town, tmp_path, database, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hub.yaml").write_text(f"database: {database}\nsecret_file: secret\n")
    async with make_town(serve=False) as town:
        await town.submit("once")
    [key] = vault("show")["keys"]
    assert (key["use"], key["data_keys"]) == ("wraps", 1)
    assert vault("rotate", "--new") == {"rewrapped": 1, "lost": 0}
    new, old = vault("show")["keys"]
    assert (new["use"], new["data_keys"], old["use"], old["data_keys"]) == ("wraps", 1, "opens", 0)
    refused = CliRunner().invoke(app, ["vault", "retire", new["key"]])
    assert refused.exit_code == 2
    early = CliRunner().invoke(app, ["vault", "retire", old["key"]])
    assert (early.exit_code, "less than a minute ago" in early.output) == (2, True)
    monkeypatch.setattr("hub.rotation.SETTLED", 0)
    assert CliRunner().invoke(app, ["vault", "retire", old["key"]]).exit_code == 0
    assert len((tmp_path / "keys.retired").read_text().splitlines()) == 1
    assert [key["key"] for key in vault("show")["keys"] if key["use"] != "missing"] == [new["key"]]
    told = json.loads(CliRunner().invoke(app, ["audit", "show", "--json"]).stdout)
    assert {"vault_key", "vault_rotate", "vault_retire"} <= {row["action"] for row in told}


def vault(*words):
    """Run a verb about keys, and read what it says."""
    ended = CliRunner().invoke(app, ["vault", *words, "--json"])
    assert ended.exit_code == 0, ended.output
    return json.loads(ended.stdout)
