"""A hub at work beside a real target that can be broken: three operations, one for each effect that matters."""

import asyncio
import json
import secrets
from collections import Counter
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from connectors.gru.sandbox import Sandbox as FrontEndSandbox
from connectors.rest.sandbox import Sandbox
from hub import acts
from hub.access import Principal, Role
from hub.app import open_hub
from hub.records import opened as opened_attempt
from hub.settings import Settings
from hub.settlement import sealer_of
from hub.vault import BODY

OPERATIONS = {"idempotent": "deposer", "lookup": "enregistrer", "once": "signaler"}
QUICK = {
    "deadline": "1s",
    "base": "20ms",
    "cap": "40ms",
    "breaker_threshold": 1000,
    "concurrency": 8,
}
STAGES = json.dumps({"stages": {}})


def write_home(home):
    """Write one kind an effect, plus one with a person in the middle and one child a delivery."""
    steps = {kind: [{"deliver": "cible", "using": f"cible/{kind}"}] for kind in OPERATIONS}
    steps["circuit"] = [
        {"await": "decision", "id": "instruction", "stage": "En cours d'instruction", "reasons": ["Refusé"]},
        {
            "branch": "data.urgent = true",
            "then": [{"deliver": "cible", "id": "urgence", "using": "cible/lookup"}],
            "otherwise": [],
        },
        {"deliver": "cible", "using": "cible/enfant", "id": "enfants", "for_each": "data.enfants"},
        {"notify": "cible", "using": "cible/idempotent", "id": "avis"},
    ]
    operations = {**OPERATIONS, "enfant": "enregistrer"}
    for name, operation in operations.items():
        folder = home / "mappings/cible"
        folder.mkdir(parents=True, exist_ok=True)
        objet = "$item" if name == "enfant" else "$uppercase(data.objet)"
        mapping = {
            "mapping": f"cible/{name}",
            "from": list(steps),
            "to": f"rest.{operation}",
            "fields": {"objet": objet, "telephone": "$phone_fr(data.telephone)"},
            "examples": [{"name": "nothing is nothing", "given": {}, "expect": {}}],
        }
        (folder / f"{name}.yaml").write_text(json.dumps(mapping))
    for kind, route in steps.items():
        folder = home / "routes" / kind
        folder.mkdir(parents=True)
        route_file = {"route": kind, "title": kind, "owner": "essais", "steps": route}
        (folder / "route.yaml").write_text(json.dumps(route_file))
        (folder / "schema.json").write_text(json.dumps({"type": "object"}))


class Town:
    """A hub, its target, and the few things tests do with them."""

    def __init__(self, hub, target, front_end):
        self.hub, self.target, self.front_end = hub, target, front_end
        self.principal = Principal(prefix="0", front_end="portail", role=Role.FRONT_END)

    async def submit(self, kind, site="ville", **data):
        """Submit one request and give its number."""
        raw = {
            "kind": kind,
            "site": site,
            "applicant": {"identity": {"family_name": "Lefèvre", "given_name": "Léa"}},
            "data": {"objet": "certificat", **data},
        }
        return (await self.hub.inbox.submit(self.principal, secrets.token_hex(8), raw)).number

    def rows(self, sql, **values):
        """Read the ledger."""
        return self.hub.ledger.look(lambda connection: connection.execute(text(sql), values).all())

    def change(self, sql, **values):
        """Change the ledger behind the hub's back."""
        with self.hub.ledger.engine.begin() as connection:
            connection.execute(text(sql), values)

    def delivery(self, number, step="cible"):
        """Give the delivery of one step of a request."""
        return self.rows("SELECT * FROM delivery WHERE request = :n AND step = :s", n=number, s=step)[0]

    def request(self, number):
        """Give a request's row, its body opened."""
        row = self.rows("SELECT * FROM request WHERE number = :n", n=number)[0]
        return SimpleNamespace(**{**row._mapping, "body": self.hub.ledger.book.vault.body(row)})

    def attempts(self, delivery):
        """List what was tried for a delivery, in order, opened."""
        key = self.rows("SELECT number, data_key FROM request WHERE number = :n", n=delivery // 1000)[0]
        sealer = sealer_of(self.hub.ledger.book, key)
        tried = self.rows("SELECT * FROM attempt WHERE delivery = :d ORDER BY id", d=delivery)
        return [opened_attempt(sealer, row) for row in tried]

    def change_body(self, number, body):
        """Put another body in a request's place, behind the hub's back, as a correction does."""
        [row] = self.rows("SELECT number, data_key FROM request WHERE number = :n", n=number)
        sealed = sealer_of(self.hub.ledger.book, row).seal(BODY, body)
        self.change("UPDATE request SET body = :body WHERE number = :n", body=sealed, n=number)

    def outcomes(self, number):
        """List the outcomes of every attempt of a request's first delivery, in order."""
        rows = self.rows("SELECT outcome FROM attempt WHERE delivery = :d ORDER BY id", d=number * 1000 + 1)
        return [row.outcome for row in rows]

    async def until(self, condition, seconds=20):
        """Wait for the ledger to show something, or fail."""
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.01)

    async def quiet(self):
        """Wait until no delivery is under way: `change` waits for its row, and it for the loop that `change` holds."""
        busy = "SELECT 1 FROM delivery WHERE state IN ('queued', 'claimed', 'sending', 'asking')"
        await self.until(lambda: not self.rows(busy))

    async def settle(self, number, *statuses):
        """Wait until a request stands at one of these statuses."""
        wanted = set(statuses) or {"done", "refused", "finalized", "cancelled", "parked"}
        await self.until(lambda: self.request(number).status in wanted)
        return self.request(number)

    async def act(self, act):
        """Do what a person asks."""
        done = await self.hub.ledger.act(act)
        self.hub.engine.wake({"cible", "rappel"})
        return done

    @property
    def taken(self) -> Counter[str]:
        """What the target took, by our key."""
        return self.target.taken()


@pytest.fixture
def home(tmp_path):
    """Write the tests' kinds into the test's folder."""
    write_home(tmp_path)
    return tmp_path


@pytest.fixture
def make_town(home, database):
    """Open a town with any policy; the ledger stays in the test's folder, so that it can be opened again.

    Targets named in `without` are not configured; `callback` is the target that calls the front end back.
    """
    tmp_path = home

    @asynccontextmanager
    async def town(policy=None, *, serve=True, sandbox=None, without=(), **installation):
        target, front_end = sandbox or Sandbox(), FrontEndSandbox()
        if sandbox is None:
            await target.start()
        await front_end.start()
        cible = {"connector": "rest", "settings": quick_target(target), "policy": QUICK | (policy or {})}
        configured = {
            "cible": cible,
            "cible_annexe": cible,
            "rappel": {"connector": "gru", "settings": front_end.settings(), "policy": QUICK},
        }
        settings = Settings.model_validate(
            {
                "database": database,
                "files": tmp_path / "files",
                "secret_file": tmp_path / "secret",
                "homes": [tmp_path],
                "sweep_every": "50ms",
                "grace": "2s",
                "front_ends": {"portail": {"callback": "rappel"}},
                "targets": {name: said for name, said in configured.items() if name not in without},
                **installation,
            }
        )
        try:
            async with open_hub(settings, serve=serve) as hub:
                yield Town(hub, target, front_end)
        finally:
            if sandbox is None:
                await target.stop()
            await front_end.stop()

    return town


@pytest.fixture
async def town(make_town):
    """A town whose target is patient enough for tests."""
    async with make_town() as opened:
        yield opened


def quick_target(target):
    """Let the sandbox's look-up be believed after a blink."""
    settings = target.settings()
    operations = {name: dict(operation) for name, operation in settings["operations"].items()}
    operations["enregistrer"]["visible_after"] = "50ms"
    return {**settings, "operations": operations}


@pytest.fixture
def acting():
    """The acts of people, for tests to name."""
    return acts
