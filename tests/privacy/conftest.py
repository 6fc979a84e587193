"""A town that carries one person through every way a request may go, and looks for them everywhere afterwards."""

import io
import json
import secrets
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import MetaData, select

from connectors.gru.sandbox import Sandbox as FrontEndSandbox
from connectors.rest.sandbox import Sandbox
from hub.api import build_api
from hub.app import open_hub
from hub.settings import Settings
from hub.vault import Vault
from tests.engine.conftest import QUICK, Town, quick_target
from tests.hub.test_logs import logging_to

FAMILY, GIVEN = "Canarinette", "Zéphyrine-Aurore"
NIR, IBAN = "284039935123467", "FR1420041010050500013M02606"
EMAIL, PHONE = "zephyrine.canari@example.org", "+33 6 39 98 76 54"
SECRET = "Tr0mpe&Ttte-canari"
STREET = "14 bis impasse des Canaris"
IN_FILE = "CANARI-DANS-LA-PIECE"
CANARIES = (FAMILY, GIVEN, NIR, IBAN, EMAIL, PHONE, SECRET, STREET, IN_FILE)
DAY = 86_400_000


def text_of(data_class, **said):
    """Write the schema of a text."""
    return {"type": "string", "title": "Champ", "x-class": data_class, **said}


SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["nom", "theme"],
    "properties": {
        "nom": text_of("identity", pattern="^[A-Za-zÀ-ÿ -]+$"),
        "ne_le": text_of("identity", format="date"),
        "nir": text_of("nir", pattern="^[12][0-9]{14}$"),
        "iban": text_of("bank", format="iban", pattern="^[A-Z]{2}[0-9]{2}[0-9A-Z]{11,30}$"),
        "courriel": text_of("contact", format="email"),
        "telephone": text_of("contact"),
        "adresse": text_of("address"),
        "message": text_of("free_text", minLength=5),
        "allergie": {"type": "boolean", "title": "Allergie", "x-class": "health"},
        "precisions": text_of("health"),
        "dossier": text_of("reference"),
        "theme": text_of("none", enum=["voirie", "ecole"]),
        "enfants": {
            "type": "array",
            "title": "Enfants",
            "maxItems": 5,
            "x-class": "minor",
            "items": {"type": "string"},
        },
        "position": {
            "type": "object",
            "title": "Point",
            "x-class": "place",
            "properties": {"lon": {"type": "number"}, "lat": {"type": "number"}},
        },
    },
}
WHO = {
    "nom": FAMILY,
    "ne_le": "1984-03-17",
    "nir": NIR,
    "iban": IBAN,
    "courriel": EMAIL,
    "telephone": PHONE,
    "adresse": STREET,
    "message": f"Mon mot de passe est {SECRET}",
    "allergie": True,
    "precisions": f"Allergie de {GIVEN}",
    "dossier": f"D-{NIR}",
    "theme": "ecole",
    "enfants": [f"{GIVEN} {FAMILY}"],
    "position": {"lon": 5.447427, "lat": 43.529742},
}
STEPS = {
    "depot": [{"deliver": "cible", "using": "cible/deposer"}],
    "verifie": [{"deliver": "cible", "using": "cible/enregistrer"}],
    "signal": [{"deliver": "cible", "using": "cible/signaler"}],
    "instruit": [
        {"await": "decision", "id": "instruction", "stage": "En cours d'instruction", "reasons": ["Refusé"]},
        {"deliver": "cible", "using": "cible/deposer", "for_each": "data.enfants"},
    ],
}
FIELDS = {
    "objet": '$uppercase(data.nom) & " " & data.message',
    "telephone": "data.telephone",
    "tout": "$string(data) & applicant.identity.given_name & applicant.contact.email",
}
PDF = f"%PDF-1.4\n{IN_FILE}\n%%EOF\n".encode()


def write_home(home):
    """Write the kinds of this town, whose every field has a class."""
    for kind, steps in STEPS.items():
        folder = home / "routes" / kind
        folder.mkdir(parents=True)
        route = {
            "route": kind,
            "title": f"Démarche {kind}",
            "owner": "essais",
            "keys": {"dossier": "data.dossier"},
            "facets": {"theme": "data.theme"},
            "place": {"longitude": "data.position.lon", "latitude": "data.position.lat"},
            "steps": steps,
        }
        (folder / "route.yaml").write_text(json.dumps(route))
        (folder / "schema.json").write_text(json.dumps(SCHEMA))
    mappings = home / "mappings/cible"
    mappings.mkdir(parents=True)
    for operation in ("deposer", "enregistrer", "signaler"):
        said = {
            "mapping": f"cible/{operation}",
            "from": list(STEPS),
            "to": f"rest.{operation}",
            "allow_unproved": "what it writes is looked for, not read",
            "fields": FIELDS,
            "examples": [{"name": "nothing", "given": {}, "expect": {"tout": ""}}],
        }
        (mappings / f"{operation}.yaml").write_text(json.dumps(said))


class Aviary(Town):
    """A town with one person in it."""

    log = None

    async def upload(self):
        """Upload the person's file."""

        async def pieces():
            yield PDF

        described = await self.hub.attachments.receive(pieces(), f"{FAMILY}.pdf", "portail")
        return described.id

    async def submit(self, kind, *, attached=True, name=FAMILY, email=EMAIL, **data):
        """Submit a request of the person's; gives its number."""
        raw = {
            "kind": kind,
            "external_reference": f"{FAMILY}-{secrets.token_hex(4)}",
            "applicant": {
                "identity": {"family_name": name, "given_name": GIVEN},
                "contact": {"email": email, "phone": PHONE},
                "address": {"street": STREET, "postcode": "13100", "city": "Aix-en-Provence"},
            },
            "data": {**WHO, **data},
            "attachments": [await self.upload()] if attached else [],
        }
        key = f"{FAMILY}-{secrets.token_hex(8)}"
        return (await self.hub.inbox.submit(self.principal, key, raw)).number

    def states(self, number):
        """Give the states of a request's deliveries, without call-backs."""
        rows = self.rows("SELECT step, state FROM delivery WHERE request = :n ORDER BY id", n=number)
        return [row.state for row in rows if row.step != "callback"]

    async def told(self, *numbers):
        """Wait until the front end was called back about every stage of these requests."""
        waits = "SELECT request FROM delivery WHERE step = 'callback' AND state <> 'delivered'"
        await self.until(lambda: not {row.request for row in self.rows(waits)} & set(numbers))

    def later(self, days):
        """Let so many days go by."""
        now = self.hub.ledger.book.now
        self.hub.ledger.book.now = lambda: now() + days * DAY

    def canaries_in_tables(self):
        """Say in which columns of which tables something of the person is to be read."""
        found, tables = set(), MetaData()
        tables.reflect(self.hub.ledger.engine)
        for table in tables.sorted_tables:
            for row in self.hub.ledger.look(lambda connection, one=table: connection.execute(select(one)).all()):
                for name, value in row._mapping.items():
                    content = bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
                    if any_canary(content):
                        found.add(f"{table.name}.{name}")
        return found

    def canaries_on_disk(self, folder):
        """Say in which files something of the person is to be read."""
        files = [file for file in Path(folder).rglob("*") if file.is_file() and "home" not in file.parts]
        return {str(file.relative_to(folder)) for file in files if any_canary(file.read_bytes())}


def any_canary(content):
    """Say whether something of the person is there, in either case, escaped or not."""
    lowered = content.lower()
    forms = {form for one in CANARIES for form in (one, one.lower(), one.upper(), json.dumps(one)[1:-1])}
    return any(form.encode().lower() in lowered or form.lower().encode() in lowered for form in forms)


@pytest.fixture
def make_aviary(tmp_path, database):
    """Open a town; sealed as installations are, or as a ledger from before sealing is."""

    @asynccontextmanager
    async def aviary(*, sealed=False, serve=True, policy=None):
        home = tmp_path / "home"
        if not home.exists():
            write_home(home)
        target, front_end, log = Sandbox(), FrontEndSandbox(), io.StringIO()
        await target.start()
        await front_end.start()
        cible = {
            "connector": "rest",
            "settings": quick_target(target),
            "policy": QUICK | {"attempts": 2} | (policy or {}),
        }
        settings = Settings.model_validate(
            {
                "database": database,
                "files": tmp_path / "files",
                "secret_file": tmp_path / "secret",
                "homes": [home],
                "sweep_every": "50ms",
                "grace": "2s",
                "purge_every": 0,
                "front_ends": {"portail": {"callback": "rappel"}},
                "targets": {
                    "cible": cible,
                    "rappel": {"connector": "gru", "settings": front_end.settings(), "policy": QUICK},
                },
            }
        ).beside(tmp_path, lambda _name: None)
        with logging_to(log, {"HUB_LOG_LEVEL": "debug", "HUB_LOG_FORMAT": "json"}):
            try:
                async with open_hub(settings, serve=serve) as hub:
                    if not sealed:
                        hub.ledger.book.vault = Vault()
                    town = Aviary(hub, target, front_end)
                    town.log = log
                    yield town
            finally:
                await target.stop()
                await front_end.stop()

    return aviary


@pytest.fixture
async def aviary(make_aviary):
    """A town at work, whose ledger is plain."""
    async with make_aviary() as opened:
        yield opened


async def metrics_of(hub):
    """Read what the hub's monitor publishes."""
    transport = httpx.ASGITransport(build_api(hub))
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as client:
        return (await client.get("/metrics")).content
