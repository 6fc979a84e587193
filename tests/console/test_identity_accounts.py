"""Identities on the command line: whom they are linked to, who asked, and what cannot be."""

import json

import pytest
from typer.testing import CliRunner

from hub.accounts import new_stay
from hub.cli import app
from hub.clock import system_clock
from hub.database import open_database, prepare
from hub.identities import MOST_ASKING, Admission, Arrival, Known, Spending, admit, asking, spend
from hub.settings import Settings

ISSUER = "https://fournisseur.example"


@pytest.fixture
def installation(tmp_path):
    """An installation that knows a provider."""
    (tmp_path / "client").write_text("secret")
    identity = {"address": "https://hub.example", "issuer": ISSUER, "client_id": "hub", "client_secret_file": "client"}
    file = tmp_path / "hub.yaml"
    file.write_text(json.dumps({"database": "sqlite:///hub.db", "console": {"identity": identity}}))
    return file


@pytest.fixture
def ledger(installation):
    """Its ledger, to be looked into and written."""
    database = open_database(Settings.read(installation).database)
    prepare(database)
    yield database
    database.dispose()


def hub(installation, *said):
    """Run a verb of accounts; gives its exit code and what it said."""
    done = CliRunner().invoke(app, ["accounts", *said, "-c", str(installation)])
    return done.exit_code, done.output


def arrival(subject, at=None, issuer=ISSUER):
    """Make somebody whom the provider vouches for."""
    _, stay = new_stay("", system_clock() if at is None else at, Settings().console.stay)
    return Arrival(who=Known(issuer, subject), stay=stay)


def admitted(ledger, *arrivals):
    """Have them arrive."""
    with ledger.begin() as connection:
        return admit(connection, arrivals)


def test_an_identity_is_given_to_one_account_and_taken_back(installation, ledger):
    code, said = hub(installation, "add", "agnes", "--name", "Agnès Petit", "--all", "--identity", "a-1")
    assert (code, said) == (0, "agnes: done\n")
    assert admitted(ledger, arrival("a-1")) == [Admission.ENTERED]
    assert hub(installation, "add", "bruno", "--name", "Bruno", "--right", "metadata")[0] == 0
    code, said = hub(installation, "link", "bruno", "--subject", "a-1")
    assert (code, "that of agnes" in said) == (2, True)
    assert hub(installation, "link", "personne", "--subject", "x")[0] == 2
    code, said = hub(installation, "list", "--json")
    assert {row["login"]: row["identities"] for row in json.loads(said)} == {"agnes": 1, "bruno": 0}
    assert hub(installation, "unlink", "agnes") == (0, "agnes: unlinked\n")
    assert hub(installation, "unlink", "agnes")[0] == 2
    assert admitted(ledger, arrival("a-1")) == [Admission.UNKNOWN]


def test_the_same_subject_of_another_provider_is_somebody_else(installation, ledger):
    hub(installation, "add", "agnes", "--name", "Agnès", "--all", "--identity", "a-1")
    assert admitted(ledger, arrival("a-1", issuer="https://ailleurs.example")) == [Admission.UNKNOWN]
    code, _ = hub(installation, "link", "agnes", "--subject", "a-1", "--issuer", "https://ailleurs.example")
    assert code == 0
    assert admitted(ledger, arrival("a-1", issuer="https://ailleurs.example")) == [Admission.ENTERED]


def test_an_account_with_a_login_like_a_subject_is_not_its(installation, ledger):
    hub(installation, "add", "agnes@ville.example", "--name", "Agnès", "--all")
    assert admitted(ledger, arrival("agnes@ville.example")) == [Admission.UNKNOWN]


def test_who_asked_is_listed_once_by_identifiers_alone(installation, ledger):
    admitted(ledger, arrival("b-1"), arrival("b-1"), arrival("b-2"))
    code, said = hub(installation, "asking", "--json")
    rows = json.loads(said)
    assert (code, sorted(row["subject"] for row in rows)) == (0, ["b-1", "b-2"])
    assert all(row.keys() == {"issuer", "subject", "asked_at"} for row in rows)


def test_those_who_ask_are_kept_for_a_time_and_up_to_a_number(ledger):
    now = system_clock()
    admitted(ledger, arrival("old", now - 31 * 86_400_000))
    admitted(ledger, *(arrival(f"n-{index}", now + index) for index in range(MOST_ASKING + 20)))
    with ledger.begin() as connection:
        kept = [row.subject for row in asking(connection)]
    assert len(kept) == MOST_ASKING
    assert (kept[0], kept[-1]) == (f"n-{MOST_ASKING + 19}", "n-20")


def test_a_state_is_spent_once_and_forgotten_when_it_is_too_old_anyway(ledger):
    with ledger.begin() as connection:
        said = [Spending(hash="h", at=at, expires_at=at + 10) for at in (100, 105, 120)]
        assert spend(connection, said) == [True, False, True]


def test_nothing_is_linked_without_a_provider(tmp_path):
    file = tmp_path / "hub.yaml"
    file.write_text("database: sqlite:///hub.db")
    code, said = hub(file, "link", "agnes", "--subject", "x")
    assert (code, "say --issuer" in said) == (2, True)
