"""`hub doctor` on installations that are really broken, one thing at a time: what it finds, and what it says to do."""

import io
import json
import os
import socket
import threading
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml
from sqlalchemy import create_engine, text
from typer.testing import CliRunner

from connectors.rest.sandbox import Sandbox
from hub.cli_doctor import doctors
from hub.clock import system_clock
from hub.database import migrate, open_database
from hub.doctor import callers, ledger, machine, surroundings
from hub.doctor.examination import CHECKS, examine, exit_code
from hub.doctor.finding import Finding, Level, UnseenError
from hub.doctor.installation import read_installation
from hub.drift.shelf import Shelf
from hub.tables import DELIVERIES, EVENTS, KEYS, REQUESTS, TALLY, TARGETS
from hub.tables_operations import FINALIZATIONS
from tests.faults.tls import Authority
from tests.hub.test_logs import logging_to

HOUR = 3_600_000
SECRET = "s" * 64


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch, tmp_path):
    """No variable of whoever runs the tests, and a folder of our own."""
    for name in list(os.environ):
        if name.startswith(("HUB_", "OTEL_", "AWS_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def quiet():
    """Log nowhere, and as before afterwards: the verb says for its whole process where its log goes."""
    with logging_to(io.StringIO(), {}):
        yield


class Home:
    """An installation in a folder: its settings file, its secret and its ledger."""

    def __init__(self, folder, database):
        self.folder, self.file, self.database = folder, folder / "hub.yaml", database
        self.said = {"database": database, "port": 0}
        (folder / "var/files/arrivals").mkdir(parents=True)
        (folder / "var/secret").write_text(SECRET)
        (folder / "var/secret").chmod(0o600)
        migrate(database)
        self.write()

    def write(self, **said):
        self.said |= said
        self.file.write_text(yaml.safe_dump(self.said))
        self.file.chmod(0o600)

    def case(self, **options):
        """Give the installation as the doctor sees it once it has reached the ledger."""
        found = read_installation(self.file, **options)
        self.database_findings = list(ledger.database(found))
        return found

    def find(self, check, **options):
        """Run one check."""
        return list(check(self.case(**options)))

    def insert(self, table, **values):
        blank = {column.name: blank_of(column) for column in table.c if not column.nullable}
        engine = open_database(self.database)
        with engine.begin() as connection:
            connection.execute(table.insert(), blank | values)
        engine.dispose()

    def run(self, sql, **values):
        engine = open_database(self.database)
        with engine.begin() as connection:
            connection.execute(text(sql), values)
        engine.dispose()


def blank_of(column):
    """Give a value that a column takes."""
    kind = column.type.python_type
    return {} if column.name == "policy" else kind()


@pytest.fixture
def home(tmp_path, database):
    return Home(tmp_path, database)


@pytest.fixture
def file_home(tmp_path):
    return Home(tmp_path, f"sqlite:///{tmp_path}/hub.db")


def one(found, level=None):
    """Give the only finding, or the only one of a level."""
    (finding,) = [one for one in found if level is None or one.level is level]
    return finding


def target_row(home, name="cible", **values):
    home.insert(TARGETS, **{"name": name, "connector": "rest", "breaker": "closed", **values})


def delivery_row(home, number=100_000_000, **values):
    said = {"number": number, "kind": "essai", "status": "parked", "body": "{}", "idempotency_key": str(number)}
    home.insert(REQUESTS, **said)
    row = {"id": number * 1000 + 1, "request": number, "target": "cible", "state": "parked", "step": "cible"}
    home.insert(DELIVERIES, **(row | values))


def test_a_sound_installation_is_well(home):
    case = home.case()
    found = [
        finding
        for name in ("settings", "tables", "durability", "clock", "balance", "causes", "finalizations", "secrets")
        for finding in CHECKS[name](case)
    ]
    assert {finding.level for finding in found} == {Level.WELL}
    assert exit_code(found) == 0


def test_the_whole_examination_goes_on_whatever_is_broken(tmp_path):
    """Half of it is broken: everything is looked at or said not to have been, and nothing is made."""
    (tmp_path / "hub.yaml").write_text(
        "database: postgresql://hub:motdepasse@127.0.0.1:1/hub\nbroker: amqp://hub:motdepasse@127.0.0.1:1/\n"
        "prot: 80\ntargets: {a: {connector: nulle_part}, b: {conector: rest}}\n"
    )
    result = CliRunner().invoke(doctors, ["-c", str(tmp_path / "hub.yaml"), "--json"])
    assert result.exit_code == 2, result.output
    found = json.loads(result.stdout)
    assert "motdepasse" not in result.output
    by_check = {name: [one for one in found if one["check"] == name] for name in CHECKS}
    assert all(by_check.values()), [name for name, those in by_check.items() if not those]
    assert len(by_check["settings"]) == 2
    assert "127.0.0.1:1/hub" in by_check["database"][0]["where"]
    assert {by_check[name][0]["level"] for name in ("tables", "balance", "causes", "target")} == {"not seen"}
    assert [one["where"] for one in by_check["targets"] if one["level"] == "fault"] == ["a"]
    assert [one["level"] for one in found] == sorted((one["level"] for one in found), key=list(Level).index)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hub.yaml"]


def test_people_read_what_is_wrong_first_and_what_to_do_below_it(file_home):
    (file_home.folder / "var/secret").chmod(0o644)
    result = CliRunner().invoke(doctors, ["-c", str(file_home.file)])
    assert result.exit_code == 2
    first, todo, *_ = result.stdout.splitlines()
    assert first.split()[:2] == ["fault", "secrets"]
    assert "(mode 0644)" in first
    assert todo.strip().startswith("→ chmod 600 ")
    assert "fault: 1" in result.stderr


def test_a_check_that_crashes_is_a_finding_and_the_others_go_on(file_home, monkeypatch):
    file_home.run("DROP TABLE finalization")
    found = examine(file_home.case())
    crashed = one([finding for finding in found if finding.check == "finalizations"])
    assert (crashed.level, "OperationalError" in crashed.said) == (Level.FAULT, True)
    assert one([finding for finding in found if finding.check == "balance"]).level is Level.WELL


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("port: [", "line 2"),
        ("- a list", "Input should be"),
        ("port: high", "port: "),
        ("targets: {a: {connector: 3}}", "targets.a.connector"),
        ("unknown: 1", "unknown: "),
    ],
)
def test_settings_that_cannot_be_read_are_named(tmp_path, written, said):
    file = tmp_path / "hub.yaml"
    file.write_text(written)
    finding = one(machine.settings(read_installation(file)))
    assert (finding.level, finding.where) == (Level.FAULT, str(file))
    assert said in finding.said


def test_settings_that_are_not_there_are_named(tmp_path):
    finding = one(machine.settings(read_installation(tmp_path / "nowhere.yaml")))
    assert "No such file" in finding.said


def test_what_is_sound_of_the_settings_is_examined(tmp_path):
    file = tmp_path / "hub.yaml"
    file.write_text("database: sqlite:///x.db\nport: high\ntargets: {a: {connector: rest}, b: {conector: rest}}\n")
    case = read_installation(file)
    assert case.settings.database.endswith(f"{tmp_path}/x.db")
    assert list(case.settings.targets) == ["a"]


def test_a_variable_whose_file_is_gone_is_named_and_the_ledger_is_not_guessed(tmp_path, monkeypatch):
    monkeypatch.setenv("HUB_DATABASE_URL_FILE", str(tmp_path / "gone"))
    case = read_installation(None)
    assert one(machine.settings(case)).where == "HUB_DATABASE_URL_FILE"
    with pytest.raises(UnseenError):
        list(ledger.database(case))


@pytest.mark.parametrize(("name", "value"), [("HUB_LOG_FORMAT", "xml"), ("HUB_LOG_LEVEL", "loud")])
def test_log_settings_that_are_unknown_are_faults(file_home, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    finding = one(file_home.find(machine.logs))
    assert (finding.level, finding.where) == (Level.FAULT, name)


def test_libraries_whose_texts_are_shown_are_a_warning(file_home, monkeypatch):
    monkeypatch.setenv("HUB_LOG_LIBRARIES", "text")
    assert one(file_home.find(machine.logs)).level is Level.WARNING


def test_a_secret_that_others_may_read_or_that_is_short(file_home):
    secret = file_home.folder / "var/secret"
    secret.write_text("short")
    secret.chmod(0o640)
    found = file_home.find(machine.secrets)
    assert {finding.level for finding in found} == {Level.FAULT}
    assert "chmod 600" in found[0].todo
    assert "32 characters" in found[1].said


def test_a_secret_that_is_gone_is_a_fault_only_once_there_are_keys(home):
    (home.folder / "var/secret").unlink()
    assert one(home.find(machine.secrets)).level is Level.WELL
    home.run(
        "INSERT INTO api_key (prefix, hash, front_end, role, kinds, sites, created_at)"
        " VALUES ('a', 'b', 'c', 'agent', '[]', '[]', 0)"
    )
    finding = one(home.find(machine.secrets))
    assert (finding.level, "backup" in finding.todo) == (Level.FAULT, True)


def test_secrets_of_targets_are_looked_at(file_home):
    loose = file_home.folder / "password"
    loose.write_text("x")
    loose.chmod(0o644)
    settings = {"url": "http://127.0.0.1:1", "password_file": str(loose), "bearer_file": "/nowhere", "ca_file": "/none"}
    file_home.write(targets={"a": {"connector": "rest", "settings": settings}})
    found = file_home.find(machine.secrets)
    assert sorted(finding.where for finding in found) == [str(loose), "targets.a.bearer_file"]


def test_passwords_in_settings_that_others_may_read_are_a_warning(file_home):
    file_home.write(targets={"a": {"connector": "rest", "settings": {"password": "motdepasse"}}})
    assert file_home.find(machine.secrets) == []
    file_home.file.chmod(0o644)
    finding = one(file_home.find(machine.secrets))
    assert finding.level is Level.WARNING
    assert "motdepasse" not in str(finding)


def test_a_ledger_that_is_not_there_yet_is_not_made(tmp_path):
    finding = one(ledger.database(read_installation(None)))
    assert (finding.level, "first start" in finding.said) == (Level.WELL, True)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database(file_home):
    (file_home.folder / "hub.db").write_text("no database" * 1000)
    for journal in file_home.folder.glob("hub.db-*"):
        journal.unlink()
    file_home.case()
    finding = one(file_home.database_findings)
    assert (finding.level, "not a database" in finding.said) == (Level.FAULT, True)


def test_a_server_that_is_not_there(file_home):
    file_home.write(database="postgresql://hub:motdepasse@127.0.0.1:1/hub")
    file_home.case()
    finding = one(file_home.database_findings)
    assert finding.level is Level.FAULT
    assert "start the server" in finding.todo
    assert "motdepasse" not in str(finding)


def test_tables_of_another_version(home):
    home.run("UPDATE alembic_version SET version_num = '0001'")
    finding = one(home.find(ledger.tables))
    assert (finding.level, "hub migrate" in finding.todo) == (Level.FAULT, True)


def test_commits_that_are_not_durable(postgres_url, tmp_path):
    home = Home(tmp_path, postgres_url)
    engine = create_engine(postgres_url.replace("postgresql:", "postgresql+psycopg:", 1), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        name = connection.exec_driver_sql("SELECT current_database()").scalar_one()
        connection.exec_driver_sql(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    engine.dispose()
    finding = one(home.find(ledger.durability))
    assert finding.level is Level.FAULT
    assert finding.said == "synchronous_commit is off: an acknowledged request could be lost"
    assert "RESET synchronous_commit" in finding.todo
    assert one(home.find(ledger.in_balance)).level is Level.WELL


def test_a_clock_that_is_behind_the_ledger(file_home):
    assert one(file_home.find(ledger.clock)).level is Level.WELL
    file_home.insert(EVENTS, kind="stage", actor="hub", at=system_clock() + HOUR)
    finding = one(file_home.find(ledger.clock))
    assert (finding.level, "NTP" in finding.todo) == (Level.FAULT, True)


def test_a_clock_that_is_not_the_server_s(postgres_url, tmp_path, monkeypatch):
    home = Home(tmp_path, postgres_url)
    monkeypatch.setattr(ledger, "system_clock", lambda: system_clock() + HOUR)
    finding = one(home.find(ledger.clock))
    assert finding.level is Level.WARNING
    assert finding.said.startswith("+3600")


def test_little_room_and_none(file_home, monkeypatch):
    assert {finding.level for finding in file_home.find(machine.disk)} == {Level.WELL}
    monkeypatch.setattr(machine, "LITTLE", 1 << 60)
    assert one(file_home.find(machine.disk)[:1]).level is Level.WARNING
    monkeypatch.setattr(machine, "TOO_LITTLE", 1 << 60)
    assert one(file_home.find(machine.disk)[:1]).level is Level.FAULT


def test_a_store_that_takes_nothing(file_home):
    files = file_home.folder / "var/files"
    assert one(file_home.find(surroundings.store)).said == "it takes files"
    (files / "arrivals").rmdir()
    files.rmdir()
    files.write_text("a file where the folder was")
    finding = one(file_home.find(surroundings.store))
    assert (finding.level, finding.where) == (Level.FAULT, str(files))


def test_a_bucket_that_does_not_answer_or_has_no_credentials(file_home, monkeypatch):
    file_home.write(files={"url": "s3://pieces/ville", "endpoint": "http://127.0.0.1:1", "region": "x"})
    assert one(file_home.find(surroundings.store)).where == "AWS_ACCESS_KEY_ID"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    finding = one(file_home.find(surroundings.store))
    assert (finding.level, finding.said) == (Level.FAULT, "store_unreachable")


def test_a_broker_that_is_not_there(file_home):
    file_home.write(broker="amqp://hub:motdepasse@127.0.0.1:1/ville")
    finding = one(file_home.find(surroundings.broker))
    assert (finding.level, finding.where) == (Level.FAULT, "amqp://127.0.0.1:1/ville")
    assert "motdepasse" not in str(finding)


class Answering:
    """Something that answers every GET, on a port."""

    def __init__(self, status, body):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.mark.parametrize(
    ("status", "body", "level", "said"),
    [
        (200, b'{"status": "ready"}', Level.WELL, "a hub answers"),
        (503, b'{"status": "not ready", "reasons": ["engine"]}', Level.FAULT, "engine"),
        (200, b"<html>", Level.FAULT, "no hub"),
        (404, b"", Level.FAULT, "no hub"),
    ],
)
def test_what_answers_on_the_port(file_home, status, body, level, said):
    answering = Answering(status, body)
    file_home.write(port=answering.port)
    finding = one(file_home.find(machine.port))
    answering.server.shutdown()
    answering.server.server_close()
    assert (finding.level, said in finding.said) == (level, True)


def test_a_port_that_is_free_or_that_this_machine_does_not_have(file_home):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.getsockname()[1]
    file_home.write(port=number)
    assert "free" in one(file_home.find(machine.port)).said
    file_home.write(host="192.0.2.1")
    assert one(file_home.find(machine.port)).level is Level.FAULT


def test_a_catalogue_that_is_refused_names_file_and_line(file_home):
    folder = file_home.folder / "home/routes/essai"
    folder.mkdir(parents=True)
    (folder / "route.yaml").write_text("route: essai\ntitle: E\nowner: o\nsteps: nothing\n")
    (folder / "schema.json").write_text("{}")
    file_home.write(homes=["home"])
    finding = one(file_home.find(surroundings.catalogue))
    assert finding.level is Level.FAULT
    assert finding.where.endswith("essai/route.yaml:4")
    assert "hub check" in finding.todo


async def settings_of_a_sandbox():
    sandbox = Sandbox()
    await sandbox.start()
    return sandbox, sandbox.settings()


def test_targets_are_made_and_those_that_cannot_be_are_named(file_home):
    file_home.write(targets={"a": {"connector": "nulle_part"}, "b": {"connector": "rest", "settings": {"url": "x"}}})
    found = file_home.find(surroundings.configured)
    assert [finding.where for finding in found if finding.level is Level.FAULT] == ["a", "b"]


async def test_targets_are_asked_with_probe(file_home):
    sandbox, settings = await settings_of_a_sandbox()
    dead = settings | {"url": "http://127.0.0.1:1"}
    file_home.write(
        targets={
            name: json.loads(json.dumps({"connector": "rest", "settings": said}))
            for name, said in (("up", settings), ("down", dead))
        }
    )
    found = {finding.where: finding for finding in await surroundings._configured(file_home.case(probe=True))}
    await sandbox.stop()
    assert found["up"].level is Level.WELL
    assert (found["down"].level, "connect" in found["down"].said) == (Level.FAULT, True)
    assert "hub probe down" in found["down"].todo


def test_a_target_that_is_paused_broken_or_behind(home):
    target_row(home, "cible", paused=True, paused_reason="Travaux")
    target_row(home, "autre", breaker="open", fails=7)
    old = system_clock() - 3 * HOUR
    delivery_row(home, state="queued", created_at=old)
    said = {(finding.where, finding.said): finding for finding in home.find(ledger.standing)}
    texts = [f"{where}: {what}" for where, what in said]
    assert any("cible: paused: Travaux; 1 wait" in one for one in texts)
    assert any("autre: breaker open: it failed 7 times" in one for one in texts)
    assert any("cible: 1 wait, the oldest for 3 h" in one for one in texts)
    gone = [finding for finding in said.values() if finding.level is Level.FAULT]
    assert one(gone).said == "1 deliveries wait for it, and the settings have no such target"


def test_what_is_parked_is_counted_by_cause_with_the_connector_s_advice(home):
    home.write(targets={"cible": {"connector": "logitud", "settings": {}}})
    rows = home.case().catalogue.errors["logitud"].error
    row = next(one for one in rows if one.hint)
    delivery_row(home, code=row.code, updated_at=system_clock() - 2 * 24 * HOUR)
    delivery_row(home, 100_000_001, state="uncertain", code="timeout", updated_at=system_clock())
    found = {finding.where: finding for finding in home.find(ledger.troubles)}
    hinted = found[f"cible {row.code}"]
    assert hinted.said == "1 parked, the oldest for 2 days"
    assert hinted.todo.startswith(row.hint)
    assert found["cible timeout"].todo == "hub deliveries --state uncertain --target cible --code timeout"


def test_a_request_that_is_missing_is_a_fault(home):
    home.insert(TALLY, kind="essai", accepted=3)
    finding = one(home.find(ledger.in_balance))
    assert (finding.level, finding.said) == (Level.FAULT, "3 accepted, 0 accounted for")


def test_what_was_closed_by_hand_and_denied_is_counted(home):
    delivery_row(home, code="finalization_denied")
    home.insert(FINALIZATIONS, delivery=100_000_000_001, state="denied", created_at=system_clock() - HOUR)
    finding = one(home.find(ledger.finalizations))
    assert (finding.level, finding.said[:2]) == (Level.WARNING, "1 ")
    home.run("UPDATE delivery SET state = 'delivered', code = ''")
    assert one(home.find(ledger.finalizations)).level is Level.WELL


def test_a_contract_that_has_changed(file_home):
    file_home.write(targets={"cible": {"connector": "rest", "settings": {}}})
    Shelf(file_home.folder / "var/contracts").write_last(
        "cible", {"drift": True, "compared_at": "2026-09-01T00:00:00Z"}
    )
    finding = one(file_home.find(surroundings.drift))
    assert (finding.level, finding.todo) == (Level.WARNING, "hub drift cible says which mappings break")


def test_a_key_that_ends_soon_is_named_with_what_replaces_it(home):
    day, now = 86_400_000, system_clock()
    ends = {"aa": now + 365 * day, "bb": now + 20 * day, "cc": now + 3 * day, "dd": now - day, "ee": None}
    for prefix, at in ends.items():
        home.insert(KEYS, prefix=prefix, role="front_end", front_end="portail", kinds=[], sites=[], expires_at=at)
    found = {finding.todo.split()[3].rstrip(","): finding.level for finding in home.find(callers.keys)}
    assert found == {"bb": Level.WARNING, "cc": Level.FAULT}


def test_keys_that_live_long_are_well(file_home):
    file_home.insert(KEYS, prefix="aa", role="agent", front_end="*", kinds=[], sites=[], expires_at=None)
    assert one(file_home.find(callers.keys)).level is Level.WELL


def test_a_certificate_that_ends_soon_or_is_none(file_home):
    authority = Authority(file_home.folder)
    levels = {}
    for days in (300, 20, 3, -1):
        file = authority.issue(timedelta(days=days))
        file_home.write(tls={"certificate": str(file), "key": str(file)})
        levels[days] = one(file_home.find(callers.certificate)).level
    assert levels == {300: Level.WELL, 20: Level.WARNING, 3: Level.FAULT, -1: Level.FAULT}
    file.write_text("nothing")
    assert "no certificate" in one(file_home.find(callers.certificate)).said


def test_the_exit_code_is_that_of_the_gravest():
    well = Finding("a", Level.WELL, "b", "c")
    assert [exit_code([well, replace(well, level=level)]) for level in Level] == [2, 1, 0, 0]
