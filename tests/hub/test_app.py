"""Settings become a hub, or a sentence that names the file and what was expected."""

import pytest

from connectors.rest.sandbox import Sandbox
from hub.access import Role, new_key
from hub.app import open_hub
from hub.errors import ConfigurationError
from hub.keys import add_keys
from hub.settings import Settings

MAPPING = """
mapping: cible/essai
from: essai
to: {to}
fields: {{objet: data.objet}}
examples: [{{name: rien, given: {{}}, expect: {{}}}}]
"""


@pytest.fixture
async def target():
    sandbox = Sandbox()
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "routes/essai"
    folder.mkdir(parents=True)
    (folder / "schema.json").write_text('{"type": "object"}')
    steps = "steps: [{deliver: cible, using: cible/essai}]"
    (folder / "route.yaml").write_text(f"route: essai\ntitle: E\nowner: o\n{steps}")
    write_mapping(tmp_path, "rest.deposer")
    return tmp_path


def write_mapping(home, to):
    (home / "mappings/cible").mkdir(parents=True, exist_ok=True)
    (home / "mappings/cible/essai.yaml").write_text(MAPPING.format(to=to))


def settings(home, **targets):
    return Settings(
        database=f"sqlite:///{home}/hub.db",
        files=home / "files",
        secret_file=home / "secret",
        homes=(home,),
        targets=targets,
    )


async def test_a_kind_is_offered_when_every_one_of_its_targets_is_there(home, target):
    said = settings(home, cible={"connector": "rest", "settings": target.settings()})
    async with open_hub(said, serve=False) as hub:
        assert hub.catalogue.kinds.keys() == {"essai"}


async def test_a_kind_whose_target_is_missing_is_not_offered(home):
    async with open_hub(settings(home), serve=False) as hub:
        assert hub.catalogue.kinds == {}


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("rest.ranger", "step cible: cible has no operation 'ranger' .consulter, deposer, enregistrer, signaler"),
        ("gru.notifier_etape", "step cible: cible/essai writes for gru, the target cible is a rest"),
    ],
)
async def test_a_route_that_leads_nowhere_stops_the_start(home, target, to, expected):
    write_mapping(home, to)
    with pytest.raises(ConfigurationError, match=expected):
        async with open_hub(settings(home, cible={"connector": "rest", "settings": target.settings()})):
            pass


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"connector": "siecle"}, "targets.cible: no connector is called 'siecle'"),
        ({"connector": "rest", "settings": {"surprise": 1}}, "targets.cible: "),
        ({"connector": "gru", "policy": {"patience": "long"}}, "targets.cible: "),
    ],
)
async def test_a_target_that_cannot_be_made_is_named(home, said, expected):
    with pytest.raises(ConfigurationError, match=expected):
        async with open_hub(settings(home, cible=said)):
            pass


async def test_the_secret_is_made_once_and_for_its_owner_alone(tmp_path):
    said = settings(tmp_path)
    first = said.secret()
    assert (said.secret(), said.secret_file.stat().st_mode & 0o777) == (first, 0o600)


async def test_a_machine_without_the_secret_that_the_keys_were_made_with_does_not_start(tmp_path):
    said = settings(tmp_path)
    async with open_hub(said, serve=False) as hub:
        _, key = new_key(hub.secret, hub.ledger.book.now(), front_end="portail", role=Role.FRONT_END)
        await hub.ledger.write(add_keys, key)
    said.secret_file.unlink()
    with pytest.raises(ConfigurationError, match="as its other machines have it"):
        async with open_hub(said, serve=False):
            pass
    assert not said.secret_file.exists()


def test_a_short_secret_is_refused(tmp_path):
    (tmp_path / "secret").write_text("court")
    with pytest.raises(ConfigurationError, match="at least 32 characters"):
        settings(tmp_path).secret()
