"""A running hub takes changed files checked, all at once or not at all; what it accepted before keeps its version."""

import asyncio
import json
import shutil
import sys
from contextlib import asynccontextmanager
from itertools import count

import httpx
import pytest
import structlog
import yaml

import hub.settings
from hub.app import open_hub
from hub.reload import STILL_CHANGING
from hub.settings import HOME, Settings

RELOAD = "/v1/operations/reload"
SCHEMA = {
    "type": "object",
    "required": ["objet"],
    "additionalProperties": False,
    "properties": {"objet": {"type": "string", "title": "Objet", "maxLength": 200}},
}
ROUTE = "route: {name}\ntitle: {title}\nowner: tests\nsteps: [{{deliver: cible, using: cible/deposer}}]\n"
MAPPING = """
mapping: cible/deposer
from: [essai, autre]
to: rest.deposer
fields: {{objet: {objet}}}
examples: [{{name: un objet, given: {{data: {{objet: o}}}}, expect: {{objet: {expect}}}}}]
"""
STAGES = ("Demande reçue", "En cours d'intégration", "Accepté", "Refusé", "Demande annulée")
QUERY = "query: avancement\ntitle: Avancement\ntarget: cible\nusing: cible/consulter\nanswer: '{said}'\n"
CONSULT = """
mapping: cible/consulter
from: avancement
to: rest.consulter
fields: {numero: data.numero}
examples: [{name: un numéro, given: {data: {numero: '1'}}, expect: {numero: '1'}}]
"""

ELSEWHERE = """
mapping: cible/ailleurs
from: essai
to: horloge.attendre
fields: {}
examples: [{name: rien, given: {}, expect: {}}]
"""


class Files:
    """The files of an installation: written, broken, mended."""

    def __init__(self, home):
        self.home = home

    def mapping(self, objet="data.objet", expect="o"):
        self.write("mappings/cible/deposer.yaml", MAPPING.format(objet=objet, expect=expect))

    def kind(self, name, title="Essai"):
        self.write(f"routes/{name}/schema.json", json.dumps(SCHEMA))
        for sample in ("un", "deux", "trois"):
            self.write(f"routes/{name}/samples/{sample}.json", json.dumps(submission(name)))
        self.write(f"routes/{name}/route.yaml", ROUTE.format(name=name, title=title))

    def query(self, said):
        self.write("mappings/cible/consulter.yaml", CONSULT)
        number = {"type": "object", "properties": {"numero": {"type": "string", "title": "Numéro"}}}
        for name, schema in (("schema", number), ("answer", {"type": "object"})):
            self.write(f"routes/avancement/{name}.json", json.dumps(schema))
        for sample in ("un", "deux", "trois"):
            self.write(f"routes/avancement/samples/{sample}.json", '{"data": {"numero": "1"}}')
        self.write("routes/avancement/query.yaml", QUERY.format(said=said))

    def write(self, name, text):
        (self.home / name).parent.mkdir(parents=True, exist_ok=True)
        (self.home / name).write_text(text)


def submission(kind="essai"):
    applicant = {"identity": {"family_name": "Lefèvre", "given_name": "Léa"}, "contact": {}}
    return {"kind": kind, "applicant": applicant, "data": {"objet": "un objet"}}


@pytest.fixture
def files(tmp_path, monkeypatch):
    """An installation of which this test knows every file: the hub's connectors, and a home."""
    base = tmp_path / "hub"
    shutil.copytree(HOME / "mappings/gru", base / "mappings/gru")
    (base / "connectors").symlink_to(HOME / "connectors")
    stages = yaml.safe_load((HOME / "routes/stages.yaml").read_text())
    (base / "routes").mkdir()
    (base / "routes/stages.yaml").write_text(yaml.safe_dump(stages, allow_unicode=True))
    monkeypatch.setattr(hub.settings, "HOME", base)
    written = Files(tmp_path / "home")
    written.mapping()
    written.kind("essai")
    return written


@pytest.fixture
def settings(tmp_path, files, target):
    """An installation that looks at its files when it is asked to."""
    policy = {"base": "20ms", "deadline": "2s", "breaker_threshold": 1000}
    return Settings(
        database=f"sqlite:///{tmp_path}/hub.db",
        files=tmp_path / "files",
        secret_file=tmp_path / "secret",
        homes=(files.home,),
        targets={"cible": {"connector": "rest", "settings": target.settings(), "policy": policy}},
        sweep_every="50ms",
        grace="2s",
        reload_every="0s",
        port=0,
    )


async def test_a_changed_mapping_and_a_new_kind_are_taken_without_a_restart(running, portal, operator, files, target):
    before = (await operator.get(RELOAD)).json()
    files.mapping("'\"Objet : \" & data.objet'", expect="'Objet : o'")
    files.kind("autre", "Autre démarche")
    assert (await portal.get("/v1/kinds/autre")).status_code == 404
    taken = (await operator.post(RELOAD)).json()
    assert (taken["status"], taken["findings"]) == ("taken", [])
    assert taken["version"] != before["version"]
    shown = (await portal.get("/v1/kinds/autre")).json()
    assert (shown["title"], shown["schema"]) == ("Autre démarche", SCHEMA)
    number = await portal.submitted("autre", "k-autre")
    await portal.until(number, "done")
    assert target._records[f"{number}-1"]["objet"] == "Objet : un objet"


BROKEN = {
    "a route that is no YAML": ("routes/essai/route.yaml", "route: ["),
    "a mapping that breaks its promise": ("mappings/cible/deposer.yaml", MAPPING.format(objet="kind", expect="o")),
    "bytes that are no text": ("routes/essai/texts.yaml", "messages: {Accepté: \udcff}"),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
async def test_a_broken_file_changes_nothing_and_is_reported(running, portal, operator, files, broken):
    name, text = broken
    version, kept = running.reloader.state.version, running.catalogue
    files.kind("autre")
    (files.home / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    with structlog.testing.capture_logs() as logs:
        refused = (await operator.post(RELOAD)).json()
    assert (refused["status"], refused["version"]) == ("refused", version)
    assert [found["message"] for found in refused["findings"]]
    assert running.catalogue is kept
    assert (await portal.get("/v1/kinds/autre")).status_code == 404
    assert (await portal.submit()).status_code == 202
    health = (await portal.get("/health/catalogue")).json()
    assert (health["status"], health["findings"]) == ("refused", len(refused["findings"]))
    assert [one["log_level"] for one in logs if one["event"] == "changed files refused"] == ["error"]


async def test_what_the_targets_of_this_installation_do_not_allow_is_refused(running, operator, files):
    """The mapping is right in itself: only the process knows that its target is of another kind."""
    files.write("mappings/cible/ailleurs.yaml", ELSEWHERE)
    files.write("routes/essai/route.yaml", ROUTE.replace("deposer", "ailleurs").format(name="essai", title="Essai"))
    [found] = (await operator.post(RELOAD)).json()["findings"]
    assert found["message"].endswith("cible/ailleurs writes for horloge, the target cible is a rest")


async def test_requests_accepted_before_keep_their_version(settings, files, target, open_desk):
    async with open_hub(settings, serve=False) as door:
        portal = await open_desk(door)
        before = await portal.submitted(key="k-before")
        files.mapping("$uppercase(data.objet)", expect="O")
        await door.reloader.reload()
        after = await portal.submitted(key="k-after")
    async with open_hub(settings) as carrying:
        portal = await open_desk(carrying)
        for number in (before, after):
            await portal.until(number, "done")
    said = [target._records[f"{number}-1"]["objet"] for number in (before, after)]
    assert said == ["un objet", "UN OBJET"]


@pytest.fixture
def question(files):
    """A question that the hub knows when it starts."""
    files.query('{"etat": $answer.etat}')


@pytest.mark.usefixtures("question")
async def test_a_question_is_answered_in_the_new_words(portal, operator, files):
    asked = {"json": {"data": {"numero": "BO-1"}}}
    assert (await portal.post("/v1/queries/avancement", **asked)).json()["answer"] == {"etat": "en_cours"}
    files.query('{"stade": $uppercase($answer.etat)}')
    await operator.post(RELOAD)
    assert (await portal.post("/v1/queries/avancement", **asked)).json()["answer"] == {"stade": "EN_COURS"}


async def test_a_change_is_taken_once_it_is_still_and_a_refused_one_is_not_tried_again(running, files):
    reloader = running.reloader
    files.kind("autre")
    await reloader.look()
    assert "autre" not in running.catalogue.kinds
    await reloader.look()
    assert "autre" in running.catalogue.kinds
    files.write("routes/autre/route.yaml", "route: [")
    await reloader.look()
    await reloader.look()
    refused = reloader.state
    assert refused.findings
    await reloader.look()
    assert reloader.state is refused
    files.kind("autre", title="Autre")
    await reloader.look()
    await reloader.look()
    assert (reloader.state.status, running.catalogue.kinds["autre"].route.title) == ("taken", "Autre")


async def test_files_that_change_while_they_are_read_are_left_for_later(running, files):
    files.kind("autre")
    reloading = asyncio.create_task(running.reloader.reload())
    await asyncio.sleep(0)
    for times in count():
        files.write("routes/stages.yaml", f"stages: {{}} # {'again ' * times}")
        if (await asyncio.wait([reloading], timeout=0.1))[0]:
            break
    assert [found["message"] for found in (await reloading).findings] == [STILL_CHANGING]
    assert running.catalogue.kinds.keys() == {"essai"}


async def test_only_an_operator_may_have_it_reloaded(portal, operator):
    assert (await portal.post(RELOAD)).status_code == 403
    assert (await operator.get(RELOAD)).status_code == 200


async def test_each_process_takes_it_for_itself_and_carries_what_another_accepted(settings, files, target, open_desk):
    """The other process looks at its files by itself; until then it reads the newer version from the ledger."""
    async with open_hub(settings, serve=False) as door, other_process(settings) as other:
        portal = await open_desk(door)
        first = (await other.get("/health/catalogue")).json()["version"]
        assert first == door.reloader.state.version
        files.mapping("$uppercase(data.objet)", expect="O")
        await door.reloader.reload()
        number = await portal.submitted()
        await portal.until(number, "done")
        assert target._records[f"{number}-1"]["objet"] == "UN OBJET"
        await until(other, version=door.reloader.state.version, status="taken")
        files.write("routes/essai/route.yaml", "route: [")
        await until(other, version=door.reloader.state.version, status="refused")


async def until(process, **wanted):
    """Wait until a process says this of its catalogue."""
    async with asyncio.timeout(20):
        while not wanted.items() <= (await process.get("/health/catalogue")).json().items():
            await asyncio.sleep(0.1)


UP = """
import pathlib, sys, hub.settings
hub.settings.HOME = pathlib.Path(sys.argv.pop(1))
from hub.cli import main
main()
"""
"""A hub whose own files are those of this test."""


@asynccontextmanager
async def other_process(settings):
    """Run a second hub on the same files, in a process of its own that ends with its standard input."""
    folder = settings.secret_file.parent
    said = json.loads(settings.model_dump_json(exclude={"forms", "broker"})) | {"reload_every": "1s"}
    (folder / "hub.yaml").write_text(json.dumps(said))
    arguments = (str(folder / "hub"), "up", "--tied", "--json", "-c", str(folder / "hub.yaml"))
    pipe = asyncio.subprocess.PIPE
    with (folder / "other.log").open("wb") as log:
        running = await asyncio.create_subprocess_exec(
            sys.executable, "-c", UP, *arguments, stdin=pipe, stdout=pipe, stderr=log
        )
    try:
        announced = json.loads(await running.stdout.readline())
        async with httpx.AsyncClient(base_url=announced["url"]) as client:
            yield client
    finally:
        running.stdin.close()
        await running.wait()
