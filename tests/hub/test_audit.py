"""The audit's chain on both databases: one gap-free chain whoever writes, and the first bad row named."""

import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import pairwise

import orjson
import pytest
from pydantic import ValidationError
from sqlalchemy import delete, func, make_url, select, update

from hub.anchor import Anchor, cast, read_anchors
from hub.audit import Chain, Entry, Head, HeadlessError, Outcome, Prune, Unsaid, head_of
from hub.audit_pages import Sought, as_line, every_line, newest
from hub.audit_verify import Bad, Fault, verify
from hub.clock import system_clock
from hub.database import migrate, open_database
from hub.errors import ConfigurationError
from hub.settings_audit import AuditSettings
from hub.tables_audit import AUDIT, AUDIT_HEAD

SECRET = b"un secret d'essai de trente-deux signes"


@pytest.fixture(scope="module")
def migrated(tmp_path_factory):
    """A file with the ledger's tables, to be copied: a migration costs more than a test."""
    file = tmp_path_factory.mktemp("migrated") / "hub.db"
    migrate(f"sqlite:///{file}")
    return file


@pytest.fixture
def engine(database, migrated):
    if database.startswith("sqlite:"):
        shutil.copy(migrated, make_url(database).database)
    opened = open_database(database)
    yield opened
    opened.dispose()


@pytest.fixture
def chain():
    return Chain(SECRET, system_clock)


@pytest.fixture
def ten(engine, chain):
    """A chain of ten rows."""
    write(engine, chain, *(Entry(f"console/{index % 2}", "essai", f"request {index}") for index in range(10)))
    return engine


def write(engine, chain, *entries):
    with engine.begin() as connection:
        chain.append(connection, entries)


def verdict(engine, chain, anchors=()):
    with engine.connect() as connection:
        return verify(connection, chain, anchors)


def change(engine, *statements):
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(statement)


def put_after(connection, n):
    """Make room for a row of the number `n`, as somebody would who hides a row they put in."""
    for moved in range(connection.scalar(select(func.max(AUDIT.c.n))), n - 1, -1):
        connection.execute(update(AUDIT).where(AUDIT.c.n == moved).values(n=moved + 1))


def test_an_audit_without_rows_is_whole(engine, chain):
    found = verdict(engine, chain)
    assert (found.last, found.bad) == (0, None)


def test_rows_are_bound_to_each_other_and_numbered_from_one(ten, chain):
    found = verdict(ten, chain)
    assert (found.first, found.last, found.bad) == (1, 10, None)
    with ten.connect() as connection:
        assert found.hash == head_of(connection).hash


def test_those_who_write_at_once_keep_one_chain_without_a_gap(engine, chain, database):
    other = open_database(database)

    def several(who):
        for index in range(25):
            write(who, chain, *(Entry("console/agnes", "essai", f"request {index}") for _ in range(3)))

    with ThreadPoolExecutor(4) as together:
        list(together.map(several, [engine, other, engine, other]))
    other.dispose()
    assert (verdict(engine, chain).last, verdict(engine, chain).bad) == (300, None)


def test_what_a_transaction_takes_back_is_not_in_the_audit(ten, chain):
    with ten.connect() as connection, connection.begin() as transaction:
        chain.append(connection, [Entry("console/agnes", "essai")])
        transaction.rollback()
    write(ten, chain, Entry("console/agnes", "essai"))
    assert (verdict(ten, chain).last, verdict(ten, chain).bad) == (11, None)


@pytest.mark.parametrize("column", ["at", "actor", "action", "object", "outcome", "detail", "hash"])
def test_an_edited_row_is_named(ten, chain, column):
    change(ten, update(AUDIT).where(AUDIT.c.n == 4).values({column: 7 if column == "at" else "x"}))
    assert verdict(ten, chain).bad == Bad(4, Fault.ALTERED)


def test_a_deleted_row_is_named(ten, chain):
    change(ten, delete(AUDIT).where(AUDIT.c.n == 4))
    assert verdict(ten, chain).bad == Bad(4, Fault.MISSING)


def test_the_first_rows_cannot_go_either(ten, chain):
    change(ten, delete(AUDIT).where(AUDIT.c.n < 4))
    assert verdict(ten, chain).bad == Bad(1, Fault.MISSING)


def test_a_deleted_row_is_named_though_the_others_were_renumbered(ten, chain):
    change(
        ten,
        delete(AUDIT).where(AUDIT.c.n == 4),
        *(update(AUDIT).where(AUDIT.c.n == n).values(n=n - 1) for n in range(5, 11)),
        update(AUDIT_HEAD).values(n=9),
    )
    assert verdict(ten, chain).bad == Bad(4, Fault.ALTERED)


def test_an_inserted_row_is_named(ten, chain):
    with ten.begin() as connection:
        copied = dict(connection.execute(select(AUDIT).where(AUDIT.c.n == 4)).one()._mapping)
        put_after(connection, 4)
        connection.execute(AUDIT.insert(), copied | {"actor": "console/malo"})
        connection.execute(update(AUDIT_HEAD).values(n=11))
    assert verdict(ten, chain).bad == Bad(4, Fault.INSERTED)


@pytest.mark.parametrize("n", [0, -1, 11])
def test_a_row_put_before_or_after_all_others_is_named(ten, chain, n):
    with ten.begin() as connection:
        copied = dict(connection.execute(select(AUDIT).where(AUDIT.c.n == 10)).one()._mapping)
        connection.execute(AUDIT.insert(), copied | {"n": n})
    assert verdict(ten, chain).bad == Bad(n, Fault.INSERTED)


def test_swapped_rows_are_named(ten, chain):
    change(ten, *(update(AUDIT).where(AUDIT.c.n == old).values(n=new) for old, new in ((4, 99), (5, 4), (99, 5))))
    assert verdict(ten, chain).bad == Bad(4, Fault.INSERTED)


def test_a_cut_tail_shows_at_the_head(ten, chain):
    change(ten, delete(AUDIT).where(AUDIT.c.n > 7))
    assert verdict(ten, chain).bad == Bad(8, Fault.CUT)


def cut_with_its_head(ten):
    with ten.begin() as connection:
        seventh = connection.scalar(select(AUDIT.c.hash).where(AUDIT.c.n == 7))
        connection.execute(delete(AUDIT).where(AUDIT.c.n > 7))
        connection.execute(update(AUDIT_HEAD).values(n=7, hash=seventh))


def test_a_head_moved_by_somebody_without_the_key_shows_the_cut(ten, chain):
    cut_with_its_head(ten)
    assert verdict(ten, chain).bad == Bad(8, Fault.CUT)


def test_a_head_taken_away_is_a_cut(ten, chain):
    change(ten, delete(AUDIT), delete(AUDIT_HEAD))
    assert verdict(ten, chain).bad == Bad(1, Fault.CUT)


def test_nothing_is_added_nor_let_go_without_a_head_and_the_error_says_what_to_do(ten, chain):
    with ten.connect() as connection:
        hashed = connection.scalar(select(AUDIT.c.hash).where(AUDIT.c.n == 6))
    change(ten, delete(AUDIT_HEAD))
    with pytest.raises(HeadlessError, match=r"run `hub audit verify`.* restore a backup"):
        write(ten, chain, Entry("console/agnes", "essai"))
    with ten.connect() as connection, pytest.raises(HeadlessError):
        chain.prune(connection, Prune(6, hashed))


def restored(ten, chain):
    """Bring the ledger back to what it was ten rows ago, as from a copy of the whole file."""
    with ten.connect() as connection:
        before = head_of(connection)
    write(ten, chain, *[Entry("console/agnes", "essai")] * 10)
    with ten.connect() as connection:
        after = head_of(connection)
    kept = {name: getattr(before, name) for name in ("n", "hash", "base_n", "base_hash", "mark")}
    change(ten, delete(AUDIT).where(AUDIT.c.n > 10), update(AUDIT_HEAD).values(kept))
    return Anchor(before.n, before.hash), Anchor(after.n, after.hash)


def test_a_ledger_put_back_to_an_earlier_copy_is_only_seen_with_an_anchor(ten, chain):
    before, after = restored(ten, chain)
    assert verdict(ten, chain).bad is None
    found = verdict(ten, chain, [before, after])
    assert (found.anchors, found.bad) == (1, Bad(11, Fault.CUT))


def test_rows_written_anew_with_the_key_itself_are_seen_with_an_anchor(ten, chain):
    before, after = restored(ten, chain)
    write(ten, chain, *[Entry("console/malo", "essai")] * 10)
    assert verdict(ten, chain).bad is None
    assert verdict(ten, chain, [before, after]).bad == Bad(20, Fault.REWRITTEN)


def test_another_installations_secret_verifies_nothing(ten):
    assert verdict(ten, Chain(b"un autre secret", system_clock)).bad == Bad(1, Fault.ALTERED)


def test_rows_let_go_leave_a_chain_that_still_verifies(ten, chain):
    with ten.begin() as connection:
        hashed = connection.scalar(select(AUDIT.c.hash).where(AUDIT.c.n == 6))
        assert chain.prune(connection, Prune(6, hashed))
        assert not chain.prune(connection, Prune(6, hashed))
        assert not chain.prune(connection, Prune(8, "0" * 64))
    found = verdict(ten, chain)
    assert (found.first, found.last, found.bad) == (7, 11, None)
    with ten.connect() as connection:
        [last] = newest(connection, Sought(about="row 6"))
    assert (last.action, last.actor) == ("audit.pruned", "hub")
    assert hashed in last.detail


def test_rows_let_go_by_somebody_without_the_key_are_missing(ten, chain):
    with ten.begin() as connection:
        hashed = connection.scalar(select(AUDIT.c.hash).where(AUDIT.c.n == 6))
        connection.execute(delete(AUDIT).where(AUDIT.c.n <= 6))
        connection.execute(update(AUDIT_HEAD).values(base_n=6, base_hash=hashed))
    assert verdict(ten, chain).bad is not None


def test_a_walk_of_several_pages_holds_as_many_rows_as_one(engine, chain, monkeypatch):
    monkeypatch.setattr("hub.audit_verify.PAGE", 7)
    write(engine, chain, *[Entry("console/agnes", "essai")] * 50)
    assert (verdict(engine, chain).last, verdict(engine, chain).bad) == (50, None)
    change(engine, update(AUDIT).where(AUDIT.c.n == 43).values(actor="x"))
    assert verdict(engine, chain).bad == Bad(43, Fault.ALTERED)


def test_what_a_person_typed_is_there_as_a_digest_that_proves_it(engine, chain):
    said = {"reason": Unsaid("Mme Ginette Ravel"), "data": Unsaid({"b": 1, "a": "Ravel"}), "accepted": True}
    write(engine, chain, Entry("console/agnes", "decide", "request 100000042", Outcome.DONE, said))
    with engine.connect() as connection:
        [row] = newest(connection, Sought())
        dump = b"".join(every_line(connection)).decode()
    assert "Ravel" not in dump
    assert chain.digest("Mme Ginette Ravel") in row.detail
    assert chain.digest({"a": "Ravel", "b": 1}) in row.detail
    assert Chain(b"un autre secret", system_clock).digest("Mme Ginette Ravel") not in row.detail


def test_nothing_that_a_caller_says_can_keep_a_row_from_being_written(engine, chain):
    write(engine, chain, Entry("a" * 500, "GET /\x00\x1b[2J", "é\u202e" * 200))
    with engine.connect() as connection:
        [row] = newest(connection, Sought())
    assert (row.actor, row.action, len(row.object)) == ("a" * 80, "GET /??[2J", 120)
    assert verdict(engine, chain).bad is None


def test_rows_are_found_by_actor_object_and_moment(ten):
    with ten.connect() as connection:
        assert [row.n for row in newest(connection, Sought(actor="console/1"))] == [10, 8, 6, 4, 2]
        assert [row.n for row in newest(connection, Sought(about="request 3"))] == [4]
        assert [row.n for row in newest(connection, Sought(before=4, limit=2))] == [3, 2, 1]
        assert newest(connection, Sought(since=system_clock() + 60_000)) == []


def test_an_exported_row_has_all_that_its_hash_was_made_of(ten, chain):
    with ten.connect() as connection:
        lines = [orjson.loads(line) for line in every_line(connection)]
        first = connection.execute(select(AUDIT).where(AUDIT.c.n == 1)).one()
    assert [line["n"] for line in lines] == list(range(1, 11))
    assert orjson.loads(as_line(first)) == lines[0]
    assert all(chain.bind(before["hash"], row) == row["hash"] for before, row in pairwise(lines))


def test_anchors_are_appended_and_read_from_whatever_a_syslog_server_made_of_them(tmp_path):
    file = tmp_path / "ailleurs" / "anchors"
    for n in (3, 9):
        cast(str(file), Anchor(n, f"{n}" * 64), datetime(2026, 9, 1, tzinfo=UTC))
    assert list(read_anchors(file.open())) == [Anchor(3, "3" * 64), Anchor(9, "9" * 64)]
    wrapped = [f"Sep  1 12:00:00 hub audit[12]: {line}" for line in file.read_text().splitlines()]
    assert list(read_anchors(["a line", *wrapped])) == [Anchor(3, "3" * 64), Anchor(9, "9" * 64)]


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_syslog_server_is_told_in_its_own_words(kind):
    with socket.socket(socket.AF_INET, kind) as server, ThreadPoolExecutor(1) as beside:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)
        if kind is socket.SOCK_STREAM:
            server.listen()
        heard = beside.submit(receive, server)
        scheme = "tcp" if kind is socket.SOCK_STREAM else "udp"
        place = f"syslog+{scheme}://127.0.0.1:{server.getsockname()[1]}"
        cast(place, Anchor(7, "7" * 64), datetime(2026, 9, 1, tzinfo=UTC))
        said = heard.result(10).decode()
    if kind is socket.SOCK_STREAM:
        length, _, said = said.partition(" ")
        assert int(length) == len(said.encode())
    assert said.startswith("<109>1 2026-09-01T00:00:00.000000Z ")
    assert list(read_anchors([said])) == [Anchor(7, "7" * 64)]


def receive(server):
    if server.type is socket.SOCK_DGRAM:
        return server.recv(65_536)
    line, _ = server.accept()
    with line, line.makefile("rb") as stream:
        return stream.read()


@pytest.mark.parametrize(
    "said", ["syslog://h:1", "http://h:1", "syslog+tcp://h", "syslog+tcp://:1", "syslog+udp://h:0", "syslog+udp://h:x"]
)
def test_an_anchor_that_is_neither_a_file_nor_a_syslog_server_is_refused(said):
    with pytest.raises(ValidationError, match="expected a file"):
        AuditSettings(anchor=said)


@pytest.mark.parametrize("keep", ["179d", "367d"])
def test_rows_are_kept_from_six_months_to_a_year(keep):
    with pytest.raises(ValidationError):
        AuditSettings(keep=keep)


def test_a_file_without_anchors_proves_nothing_and_says_so(tmp_path):
    with pytest.raises(ConfigurationError, match="there is none"):
        list(read_anchors(["", "{}"]))


def test_anchors_a_little_out_of_turn_are_read_in_turn(ten, chain):
    with ten.connect() as connection:
        hashes = {row.n: row.hash for row in connection.execute(select(AUDIT))}
    found = verdict(ten, chain, [Anchor(n, hashes[n]) for n in (2, 6, 5, 6, 10)])
    assert (found.anchors, found.bad) == (3, None)


def test_a_head_of_the_migration_is_one_only_as_long_as_there_is_no_row(chain):
    assert chain.is_ours(Head())
    assert not chain.is_ours(Head(n=1))
