"""The verbs of the audit, on a ledger that no hub runs on."""

import sqlite3
from contextlib import closing
from pathlib import Path

import orjson
import pytest
from sqlalchemy import Connection, create_engine
from typer.testing import CliRunner

from hub.audit import Entry, head_of
from hub.auditor import add_to_audit, at_the_keyboard, verify_audit
from hub.cli import app
from hub.settings import Settings


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    """An installation where somebody made, changed and revoked things from a terminal."""
    folder = tmp_path_factory.mktemp("installation")
    (folder / "hub.yaml").write_text("audit: {anchor: ailleurs/anchors}\n")
    run(folder, "keys", "create", "portail")
    prefix = orjson.loads(run(folder, "keys", "list", "--json").stdout)[0]["prefix"]
    run(folder, "keys", "revoke", prefix)
    run(folder, "accounts", "add", "agnes", "--name", "Agnès Petit", "--right", "audit")
    run(folder, "accounts", "rights", "agnes", "--right", "metadata")
    run(folder, "accounts", "disable", "agnes")
    return folder, prefix


def run(folder, *words, code=0):
    result = CliRunner().invoke(app, [*words, "--config", str(folder / "hub.yaml")])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def untouched(installation):
    """The installation, whose ledger a test may alter."""
    folder, _ = installation
    file = folder / "var/hub.db"
    before = file.read_bytes()
    yield folder
    for left in folder.glob("var/hub.db-*"):
        left.unlink()
    file.write_bytes(before)


def alter(folder, statement):
    with closing(sqlite3.connect(folder / "var/hub.db")) as connection:
        connection.execute(statement)
        connection.commit()


def test_what_is_done_from_a_terminal_is_in_the_audit_under_who_did_it(installation):
    folder, prefix = installation
    rows = orjson.loads(run(folder, "audit", "show", "--json").stdout)
    assert [(row["action"], row["object"]) for row in reversed(rows)] == [
        ("key.create", f"key {prefix}"),
        ("key.revoke", f"key {prefix}"),
        ("account.create", "account agnes"),
        ("account.change", "account agnes"),
        ("account.change", "account agnes"),
    ]
    assert {row["actor"] for row in rows} == {at_the_keyboard()}
    assert "Petit" not in orjson.dumps(rows).decode()
    assert rows[1]["detail"] == {"changed": ["roles"], "rights": ["metadata"]}


def test_a_whole_chain_is_said_to_be_one_and_that_no_anchor_was_there(installation):
    said = run(installation[0], "audit", "verify")
    assert "rows 1 to 5 are as they were written" in said.stdout
    assert "without an anchor" in said.stderr


@pytest.mark.parametrize(
    ("statement", "bad"),
    [
        ("UPDATE audit SET actor = 'cli/personne' WHERE n = 3", {"n": 3, "fault": "altered"}),
        ("DELETE FROM audit WHERE n = 3", {"n": 3, "fault": "missing"}),
        ("INSERT INTO audit SELECT 0, at, actor, action, object, outcome, detail, hash FROM audit WHERE n = 1",
         {"n": 0, "fault": "inserted"}),
        ("DELETE FROM audit WHERE n > 3", {"n": 4, "fault": "cut"}),
    ],
)  # fmt: skip
def test_the_first_bad_row_is_named_and_the_exit_code_says_so(untouched, statement, bad):
    alter(untouched, statement)
    assert orjson.loads(run(untouched, "audit", "verify", "--json", code=1).stdout)["bad"] == bad
    assert f"row {bad['n']}" in run(untouched, "audit", "verify", code=1).stdout


def test_the_anchors_of_the_settings_show_a_ledger_put_back(untouched):
    from datetime import UTC, datetime

    from hub.anchor import Anchor, cast

    database = create_engine(f"sqlite:///{untouched}/var/hub.db")
    with database.connect() as connection:
        head = last(connection)
    database.dispose()
    cast(str(untouched / "ailleurs/anchors"), Anchor(head.n, head.hash), datetime.now(UTC))
    assert "anchors that agree: 1" in run(untouched, "audit", "verify").stdout
    cast(str(untouched / "ailleurs/anchors"), Anchor(head.n + 4, "0" * 64), datetime.now(UTC))
    assert f"row {head.n + 1}" in run(untouched, "audit", "verify", code=1).stdout


class Filling(type(Path())):
    """A file of anchors to which a hub at work adds one, with its row, just as somebody reads it."""

    write = None

    def open(self, *_words, **_named):
        """Give the file as it will be once its next line is read."""
        return closing(self.write())


def test_a_hub_that_writes_meanwhile_cuts_nothing(untouched):
    settings = Settings.model_validate(
        {"database": f"sqlite:///{untouched}/var/hub.db", "secret_file": untouched / "var/secret"}
    )

    def written():
        database = create_engine(settings.database)
        with database.begin() as connection:
            add_to_audit(settings, connection, Entry("console/agnes", "essai"))
        with database.connect() as connection:
            head = last(connection)
        database.dispose()
        yield f'{{"n":{head.n},"hash":"{head.hash}","at":"2026-09-01T00:00:00.000000Z"}}\n'

    anchors = Filling("anchors")
    anchors.write = written
    found = verify_audit(settings, anchors)
    assert (found.last, found.anchors, found.bad) == (6, 1, None)


def last(connection: Connection):
    return head_of(connection)


def test_every_row_is_exported_in_order(installation):
    lines = run(installation[0], "audit", "export").stdout.splitlines()
    assert [orjson.loads(line)["n"] for line in lines] == [1, 2, 3, 4, 5]
    assert run(installation[0], "audit", "export", "--since", "2999-01-01").stdout == ""


def test_rows_are_shown_by_actor_and_object(installation):
    folder, prefix = installation
    found = orjson.loads(run(folder, "audit", "show", "--object", f"key {prefix}", "--json").stdout)
    assert [row["action"] for row in found] == ["key.revoke", "key.create"]
    assert "audit: none" in run(folder, "audit", "show", "--actor", "console/agnes").stdout


def test_a_day_that_is_none_is_refused(installation):
    assert "a day, as" in run(installation[0], "audit", "show", "--since", "hier", code=2).stderr
