"""A changed mapping is held to stored requests: each seeded bug is a group, twice the same, and nothing is sent."""

import asyncio
import json

import pytest
from sqlalchemy import select, update
from typer.testing import CliRunner

from hub.auditor import at_the_keyboard
from hub.bench.remap import changed, fill, measure
from hub.bench.storing import store
from hub.catalogue import Catalogue
from hub.cli_regression import regressions
from hub.database import open_database
from hub.tables import DEFINITIONS, EVENTS
from hub.tables_audit import AUDIT
from hub.trials.difference import Cause, differences
from hub.trials.regression import Job, compare
from hub.trials.stored import Choice

MAPPING = """
mapping: cible/dossier
from: dossier
to: rest.deposer
fields:
  nom: $upper($ascii(data.nom))
  prenom: data.prenom
  ne_le: $date_fr(data.ne_le)
  regime: '$lookup({"standard": "STD", "sans_porc": "SP"}, data.regime)'
  montant: $cents(data.montant)
  telephone: $phone_fr(data.telephone)
  commentaire: data.commentaire
  jours: data.jours[]
  adresse: {voie: data.adresse.voie, ville: $upper(data.adresse.ville)}
  courriel: data.courriel
files: '[]'
examples: [{name: rien, given: {}, expect: {}}]
"""

BUGS = {
    "capitals are lost": ("$upper($ascii(data.nom))", "$ascii(data.nom)", "nom", Cause.CASE),
    "accents are kept": ("$upper($ascii(data.nom))", "$upper(data.nom)", "nom", Cause.ACCENTS),
    "a date is as it came": ("$date_fr(data.ne_le)", "data.ne_le", "ne_le", Cause.FORMAT),
    "a name is misspelt": ("data.courriel", "data.couriel", "courriel", Cause.REMOVED),
    "a text is cut": ("data.commentaire", "$cut(data.commentaire, 9)", "commentaire", Cause.SHORTENED),
    "a number becomes a text": ("$cents(data.montant)", "$string($cents(data.montant))", "montant", Cause.TYPE),
    "euros for cents": ("$cents(data.montant)", "data.montant", "montant", Cause.VALUE),
    "an enumeration lost a value": ('"sans_porc": "SP"', '"sansporc": "SP"', "regime", Cause.REMOVED),
    "the wrong function fails": ("prenom: data.prenom", "prenom: $date_fr(data.prenom)", "prenom", Cause.FAILS_NOW),
    "only the first of a list": ("data.jours[]", "'[data.jours[0]]'", "jours[]", Cause.FEWER),
    "a list is turned round": ("data.jours[]", "$reverse(data.jours)", "jours[]", Cause.ORDER),
    "an element of its own": ("data.prenom", "data.prenom\n  surnom: data.prenom", "surnom", Cause.ADDED),
    "two fields are exchanged": ("voie: data.adresse.voie", "voie: data.adresse.ville", "adresse.voie", Cause.VALUE),
    "a phone is as it was typed": ("$phone_fr(data.telephone)", "data.telephone", "telephone", Cause.SPACES),
    "attachments go along": ("files: '[]'", "files: attachments", "(files)", Cause.VALUE),
}  # fmt: skip

PEOPLE = ("Lefèvre", "Nguyễn", "D'Œuvre", "Le Goff", "Müller", "Garçia")


def document_of(number):
    name = PEOPLE[number % len(PEOPLE)]
    return {
        "number": number,
        "attachments": ["0" * 32],
        "data": {
            "nom": name,
            "prenom": "Léa",
            "ne_le": f"2019-03-{1 + number % 28:02d}",
            "regime": "sans_porc" if number % 3 else "standard",
            "montant": 12.5 + number % 7,
            "telephone": "06 39 98 12 34",
            "commentaire": "Arrive après seize heures",
            "jours": ["lundi", "jeudi"],
            "adresse": {"voie": "12 rue Basse", "ville": "Aix"},
            "courriel": f"{number}@example.org",
        },
    }


def write_home(folder):
    """Write a kind whose requests are mapped."""
    for name, text in {
        "routes/dossier/route.yaml": "route: dossier\ntitle: Dossier\nowner: tests\n"
        "steps: [{deliver: cible, using: cible/dossier}]",
        "routes/dossier/schema.json": '{"type": "object"}',
        "mappings/cible/dossier.yaml": MAPPING,
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def home(tmp_path):
    """A home of an installation."""
    return write_home(tmp_path / "home")


@pytest.fixture
def ledger(database, home):
    """Forty requests, stored as the door stores them."""
    stored(database, Catalogue.read(home), range(100_000_000, 100_000_040))
    return database


def stored(database, catalogue, numbers):
    store(database, catalogue, "dossier", ((document_of(number), 1_788_000_000_000 + number) for number in numbers))


def regress(*words):
    return CliRunner().invoke(regressions, list(map(str, words)))


@pytest.fixture
def installed(ledger, home, tmp_path):
    """Give a function that runs the verb with a mapping's text."""
    (tmp_path / "hub.yaml").write_text(json.dumps({"database": ledger, "homes": ["home"]}))
    new = tmp_path / "new/dossier.yaml"
    new.parent.mkdir()

    def run(text, *words):
        new.write_text(text)
        return regress("--mapping", new, "-c", tmp_path / "hub.yaml", *words)

    return run


def with_bug(name):
    before, after, *_ = BUGS[name]
    assert before in MAPPING, name
    return MAPPING.replace(before, after)


@pytest.mark.parametrize("name", BUGS)
def test_each_seeded_bug_is_a_group_of_its_element_and_cause(ledger_of_one, name):
    *_, path, cause = BUGS[name]
    tally = compare(Job(ledger_of_one, "new.yaml", with_bug(name), Choice("cible/dossier")), jobs=1)
    assert (path, cause) in tally.groups
    assert {found for found, _ in tally.groups} == {path}


@pytest.fixture(scope="module")
def ledger_of_one(tmp_path_factory):
    """A ledger that all the bugs are held to: reading changes nothing."""
    home = write_home(tmp_path_factory.mktemp("ledger"))
    database = f"sqlite:///{home}/hub.db"
    stored(database, Catalogue.read(home), range(100_000_000, 100_000_040))
    return database


def test_a_mapping_that_writes_the_same_has_nothing_to_approve(installed):
    ended = installed(MAPPING.replace("data.prenom", "(data.prenom)"), "--json")
    assert ended.exit_code == 0, ended.output
    assert json.loads(ended.stdout) == {
        "mapping": "cible/dossier",
        "messages": 40,
        "requests": 40,
        "same": 40,
        "skipped": 0,
        "groups": [],
    }


def test_two_runs_say_the_same_word_for_word_and_no_value(installed):
    text = with_bug("accents are kept").replace("$date_fr(data.ne_le)", "data.ne_le")
    first, second = (installed(text, "--json") for _ in range(2))
    assert first.stdout == second.stdout
    assert first.exit_code == 1
    groups = {(one["element"], one["cause"]): one for one in json.loads(first.stdout)["groups"]}
    assert groups["ne_le", "format"]["requests"] == 40
    assert groups["ne_le", "format"]["examples"] == ["100000000", "100000001", "100000002"]
    shown = installed(text)
    assert installed(text).stdout == shown.stdout
    for secret in ("Lefèvre", "LEFEVRE", "2019-03"):
        assert secret not in first.output + shown.output


def test_however_many_share_the_work_they_find_the_same(tmp_path):
    database = f"sqlite:///{tmp_path}/many.db"
    fill(database, 1100)
    job = Job(database, "new.yaml", changed(), Choice("rest/banc_essai"))
    alone, together = compare(job, jobs=1), compare(job, jobs=2)
    assert alone == together
    assert alone.requests == 1100
    assert alone.groups["vaccination", Cause.FORMAT].messages == 1100
    assert measure(database, jobs=1).keys() == {"requests", "seconds", "per_minute", "cpu_seconds", "jobs", "groups"}


def test_a_group_is_approved_with_a_reason_and_only_all_of_them_end_well(installed, tmp_path):
    text = with_bug("a date is as it came").replace("data.courriel", "data.couriel")
    groups = [one["group"] for one in json.loads(installed(text, "--json").stdout)["groups"]]
    assert len(groups) == 2
    assert installed(text, "--approve", groups[0]).exit_code == 2  # it asks for a reason
    assert installed(text, "--approve", "0123456789", "--reason", "r").exit_code == 2
    assert installed(text, "--approve", groups[0], "--reason", "La cible lit l'ISO").exit_code == 1
    ended = installed(text, "--approve", groups[1], "--reason", "Ne se transmet plus", "--json")
    assert ended.exit_code == 0, ended.output
    assert installed(text).exit_code == 0
    kept = json.loads((tmp_path / "new/dossier.approved.json").read_text())
    assert {one["reason"] for one in kept["approved"]} == {"La cible lit l'ISO", "Ne se transmet plus"}


def test_what_was_approved_is_that_expression_and_no_other(installed):
    text = with_bug("a text is cut")
    [group] = json.loads(installed(text, "--json").stdout)["groups"]
    assert installed(text, "--approve", group["group"], "--reason", "La cible a neuf signes").exit_code == 0
    other = text.replace("data.commentaire, 9", "data.commentaire, 3")
    [again] = json.loads(installed(other, "--json").stdout)["groups"]
    assert (again["element"], again["cause"], again["approved"]) == ("commentaire", "shortened", "")
    assert installed(other).exit_code == 1


def test_values_are_revealed_on_demand_and_the_audit_says_to_whom(installed, ledger):
    ended = installed(with_bug("capitals are lost"), "--reveal", "--json")
    [group] = json.loads(ended.stdout)["groups"]
    assert group["values"][0] == {"before": "MULLER", "after": "Muller"}
    engine = open_database(ledger)
    with engine.connect() as connection:
        lines = connection.execute(select(EVENTS).where(EVENTS.c.kind == "reveal").order_by(EVENTS.c.request)).all()
        chained = connection.execute(select(AUDIT).where(AUDIT.c.action == "reveal").order_by(AUDIT.c.n)).all()
    engine.dispose()
    assert [f"{line.request:09d}" for line in lines] == group["examples"]
    assert all(line.actor.startswith("terminal/") and line.note == "regress: cible/dossier" for line in lines)
    assert [row.object for row in chained] == [f"request {number}" for number in group["examples"]]
    assert {(row.actor, row.outcome) for row in chained} == {(at_the_keyboard(), "allow")}


def test_only_requests_since_a_day_or_of_a_kind_are_meant(installed):
    text = with_bug("capitals are lost")
    assert json.loads(installed(text, "--json", "--from", "2020-01-01").stdout)["messages"] == 40
    assert json.loads(installed(text, "--json", "--from", "2099-01-01").stdout)["messages"] == 0
    assert json.loads(installed(text, "--json", "--kind", "dossier").stdout)["messages"] == 40
    ended = installed(text, "--kind", "autre")
    assert (ended.exit_code, "no stored message" in ended.stderr) == (0, True)
    assert installed(text, "--from", "hier").exit_code == 2


def test_an_installed_mapping_is_named_and_held_to_what_requests_are_pinned_to(installed, home, tmp_path):
    (home / "mappings/cible/dossier.yaml").write_text(with_bug("euros for cents"))
    ended = regress("--mapping", "cible/dossier", "-c", tmp_path / "hub.yaml", "--json")
    [group] = json.loads(ended.stdout)["groups"]
    assert (group["element"], group["cause"]) == ("montant", "other value")
    assert regress("--mapping", "cible/rien", "-c", tmp_path / "hub.yaml").exit_code == 2


def test_what_nobody_can_read_any_more_is_counted_apart(installed, ledger):
    engine = open_database(ledger)
    with engine.begin() as connection:
        connection.execute(update(DEFINITIONS).values(source="{}"))
    engine.dispose()
    ended = installed(with_bug("capitals are lost"), "--json")
    said = json.loads(ended.stdout)
    assert (said["messages"], said["skipped"], said["groups"]) == (0, 40, [])
    assert "cannot be mapped any more" in installed(MAPPING).stderr


async def test_nothing_is_sent(resting, open_desk, target, settings, tmp_path):
    desk = await open_desk(resting)
    for key in ("a", "b"):
        await desk.submit(key=key)
    (tmp_path / "hub.yaml").write_text(
        json.dumps({"database": settings.database, "secret_file": "secret", "homes": ["home"]})
    )
    new = tmp_path / "deposer.yaml"
    new.write_text(
        (tmp_path / "home/mappings/cible/deposer.yaml").read_text().replace("data.objet", "$uppercase(data.objet)")
    )
    words = ("--mapping", new, "-c", tmp_path / "hub.yaml", "--json")
    said = json.loads((await asyncio.to_thread(regress, *words)).stdout)
    assert (said["requests"], said["groups"][0]["cause"]) == (2, "case")
    assert target.taken().total() == 0


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": 1}, {"a": True}, [("a", Cause.TYPE)]),
        ({"a": ""}, {"a": "x"}, [("a", Cause.FILLED)]),
        ({"a": "x"}, {"a": " "}, [("a", Cause.EMPTIED)]),
        ({"a": "Élan-1"}, {"a": "ELAN 1"}, [("a", Cause.SPELLING)]),
        ({"a": "12"}, {"a": "x12y"}, [("a", Cause.LENGTHENED)]),
        ({"a": [{"b": 1}, {"b": 2}]}, {"a": [{"b": 1}, {"b": 3}]}, [("a[].b", Cause.VALUE)]),
        ({"a": [1]}, {"a": [1, 2]}, [("a[]", Cause.MORE)]),
        ({"a": None}, {}, [("a", Cause.REMOVED)]),
        ([1], {"a": 1}, [("", Cause.TYPE)]),
    ],
)
def test_differences_are_told_by_path_and_kind_of_change(before, after, found):
    assert [(one.path, one.cause) for one in differences(before, after)] == found
