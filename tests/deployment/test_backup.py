"""A backup taken while traffic flows is restored as the guide says: the hub goes on from there and doubles nothing."""

import asyncio
import json
import os
import re
import shutil
import subprocess
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from sqlalchemy import text

from connectors.gru.sandbox import Sandbox as FrontEndSandbox
from connectors.rest.sandbox import Sandbox
from hub.access import Role
from hub.app import open_hub
from hub.balance import balance
from hub.database import open_database, upgrade
from hub.processes import run
from hub.servers import Postgres
from hub.settings import Settings
from hub.throwaway import LOOPBACK
from tests.deployment.conftest import ROOT
from tests.docs.conftest import Document
from tests.engine.conftest import QUICK, quick_target, write_home
from tests.hub.conftest import desk_at
from tests.hub.test_api_files import PDF

STATEMENTS = re.compile(r"^docker compose exec \S+ postgres psql[^\n]*<<'END'$.*?^END$", re.MULTILINE | re.DOTALL)
KINDS = ("idempotent", "lookup", "once")
DECIDED = [
    {"await": "decision", "id": "instruction", "stage": "En cours d'instruction"},
    {"deliver": "cible", "using": "cible/once"},
]
COMPOSE = """#!/bin/sh
# `docker compose` without containers: what a service would run, runs here.
shift
case "$1" in
  exec) service=$3; program=$4; shift 4 ;;
  run) program=$6; service=$7; shift 7 ;;
  *) exit 0 ;;
esac
[ "$service" = postgres ] || cd "$APP"
exec "$program" "$@"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory, postgres_server):
    """A PostgreSQL of this module's own, whose database is called `hub`; a machine without one has skipped."""
    server = Postgres(tmp_path_factory.mktemp("backup"))
    run(server.start())
    yield server
    run(server.end())


class Place:
    """An installation, the targets it speaks to, and a shell that runs the guide's blocks in it."""

    def __init__(self, folder, server):
        self.folder, self._server = folder, server
        self.target, self.front_end = Sandbox(), FrontEndSandbox()
        self.database = server.url.rpartition("/")[0] + "/hub"

    def settings(self):
        """Say how the hub is set up, patient enough for the target's pace."""
        policy = QUICK | {"deadline": "10s"}
        return Settings.model_validate(
            {
                "database": self.database,
                "files": self.folder / "app/var/files",
                "secret_file": self.folder / "secrets/hub_secret",
                "homes": [self.folder],
                "sweep_every": "50ms",
                "grace": "20s",
                "front_ends": {"portail": {"callback": "rappel"}},
                "targets": {
                    "cible": {"connector": "rest", "settings": quick_target(self.target), "policy": policy},
                    "rappel": {"connector": "gru", "settings": self.front_end.settings(), "policy": policy},
                },
            }
        )

    @asynccontextmanager
    async def open(self):
        """Run the hub, with a portal and an operator at its door."""
        async with (
            open_hub(self.settings()) as hub,
            desk_at(hub, Role.FRONT_END, "portail") as portal,
            desk_at(hub, Role.OPERATOR, "*") as operator,
        ):
            yield hub, portal, operator

    async def shell(self, block):
        """Run a block of the guide, while this process goes on."""
        programs = Postgres.program("pg_dump").parent
        env = {
            "PATH": f"{self.folder / 'bin'}:{programs}:{os.environ['PATH']}",
            "APP": str(self.folder / "app"),
            "PGHOST": LOOPBACK,
            "PGPORT": str(self._server.port),
            "PGUSER": "hub",
            "PGPASSWORD": self._server.password,
        }
        shell = ("/bin/sh", "-euc", block)
        process = await asyncio.create_subprocess_exec(*shell, cwd=self.folder, env=env, stderr=subprocess.PIPE)
        _, said = await asyncio.wait_for(process.communicate(), 120)
        assert process.returncode == 0, said.decode()


@pytest.fixture
async def place(server, tmp_path):
    write_home(tmp_path)
    (tmp_path / "routes/decided").mkdir()
    route = {"route": "decided", "title": "decided", "owner": "essais", "steps": DECIDED}
    (tmp_path / "routes/decided/route.yaml").write_text(json.dumps(route))
    (tmp_path / "routes/decided/schema.json").write_text(json.dumps({"type": "object"}))
    once = tmp_path / "mappings/cible/once.yaml"
    once.write_text(json.dumps(json.loads(once.read_text()) | {"from": ["once", "decided"]}))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/docker").write_text(COMPOSE)
    (tmp_path / "bin/docker").chmod(0o755)
    (tmp_path / "secrets").mkdir()
    opened = Place(tmp_path, server)
    await opened.shell("dropdb --if-exists hub; dropdb --if-exists hub_before; createdb hub")
    database = open_database(opened.database)
    upgrade(database)
    database.dispose()
    await opened.target.start()
    await opened.front_end.start()
    yield opened
    await opened.target.stop()
    await opened.front_end.stop()


async def submit(portal, kind, reference):
    """Submit a request; gives its number."""
    answer = await portal.submit(kind, reference, external_reference=reference)
    assert answer.status_code == 202, answer.text
    return answer.json()["number"]


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.02)


def ended(hub):
    """Tell whether no request is under way."""
    sql = text("SELECT count(*) FROM request WHERE status NOT IN ('done', 'finalized') AND awaiting = ''")
    return hub.ledger.look(lambda connection: connection.scalar(sql)) == 0


def accepted(hub):
    """Count what was accepted, kind by kind, where nothing is missing."""
    kinds = hub.ledger.look(balance)
    assert [kind.imbalance for kind in kinds] == [0] * len(kinds)
    return sum(kind.accepted for kind in kinds)


async def listed(operator, **which):
    """List deliveries: key → kind of request."""
    page = (await operator.get("/v1/operations/deliveries", params={"limit": 100, **which})).json()
    assert page["next"] is None
    return {one["key"]: one["kind"] for one in page["deliveries"]}


async def settle(place, operator, key, kind):
    """Do with a restored delivery what the guide says."""
    at = f"/v1/operations/deliveries/{key}"
    answer = await operator.post(f"{at}/retry", json={})
    if kind != "once":
        assert answer.status_code == 200, answer.text
        return
    assert answer.status_code == 409
    if place.target.taken()[key]:
        await finalize(operator, key)
    else:
        assert (await operator.post(f"{at}/retry", json={"sure": True})).status_code == 200


async def finalize(operator, key):
    closing = {"reason": "Reçue avant la panne", "reference": "BO"}
    assert (await operator.post(f"/v1/operations/deliveries/{key}/finalize", json=closing)).status_code == 200


async def resume(operator, name):
    assert (await operator.post(f"/v1/operations/targets/{name}/resume")).status_code == 200


async def work_until_the_disaster(place, block):
    """Accept and carry, back up in the middle, go on, lose everything; gives what was accepted, and the one decided."""
    place.target.latency = 0.1
    async with place.open() as (hub, portal, _):
        file = (await portal.post("/v1/attachments?name=acte.pdf", content=PDF)).headers["location"]
        awaiting = await submit(portal, "decided", "decided")
        for n in range(60):
            await submit(portal, KINDS[n % 3], f"before-{n}")
        await until(lambda: place.target.taken().total() > 15)
        backup = asyncio.create_task(place.shell(block))
        for n in range(30):
            await submit(portal, KINDS[n % 3], f"after-{n}")
        await backup
        assert (await portal.post(f"/v1/requests/{awaiting}/decision", json={"accept": True})).status_code == 200
        await until(lambda: ended(hub))
        return Worked(accepted(hub), awaiting, file)


@dataclass(frozen=True)
class Worked:
    """How many were accepted before the disaster, the number of the one that a person decided, where its file is."""

    accepted: int
    decided: str
    file: str


async def test_a_restored_hub_goes_on_and_no_target_gets_anything_twice(place, operations):
    worked = await work_until_the_disaster(place, operations.block("backup"))
    at_the_disaster = place.target.taken()
    shutil.rmtree(place.folder / "app/var/files")
    await place.shell(operations.block("restore"))
    async with place.open() as (hub, portal, operator):
        kept = accepted(hub)
        assert 61 <= kept < worked.accepted
        assert (await portal.get(worked.file)).content == PDF
        given = await listed(operator, code="restored")
        assert set(given.values()) == set(KINDS)
        for key, kind in given.items():
            await settle(place, operator, key, kind)
        await portal.post(f"/v1/requests/{worked.decided}/decision", json={"accept": True})
        [queued] = await listed(operator, state="queued", kind="decided", target="cible")
        assert place.target.taken() == at_the_disaster
        await finalize(operator, queued)
        for target in ("cible", "rappel"):
            await resume(operator, target)
        later = await submit(portal, "once", "later")
        await until(lambda: ended(hub))
        assert accepted(hub) == kept + 1
        assert int(later) >= 101_000_000
    assert set(place.target.taken().values()) == {1}


async def test_without_the_statements_of_the_guide_a_restore_doubles(place, operations):
    await work_until_the_disaster(place, operations.block("backup"))
    bare = STATEMENTS.sub("", operations.block("restore"))
    assert "UPDATE" not in bare
    await place.shell(bare)
    async with place.open():
        await until(lambda: max(place.target.taken().values()) > 1)


def test_both_guides_restore_by_the_same_statements(operations):
    def statements(block):
        block = re.sub(r'"\s*"', "", block)
        found = re.findall(r"UPDATE (?:counter|target|delivery) SET [^;\"]+", re.sub(r"\s+", " ", block))
        return [one.strip().replace("= 1 ", "= true ") for one in found]

    embedded = Document(ROOT / "docs/operators.md").block("restore")
    assert statements(embedded) == statements(operations.block("restore"))
    assert len(statements(embedded)) == 3
