"""`hub forms` and `hub reload`: what they print, and how they end."""

import asyncio
import json

import pytest
import structlog
import uvicorn
from typer import Context, Typer
from typer.testing import CliRunner

from hub.access import Role, new_key
from hub.api import build_api
from hub.app import open_hub
from hub.cli_forms import reloads
from hub.keys import add_keys
from hub.serve import Server

app = Typer()


@app.callback()
def reach(context: Context, url: str = "", key: str = "") -> None:
    """Remember which hub to talk to."""
    context.obj = (url, key)


app.add_typer(reloads)


@pytest.fixture
def run(settings, tmp_path, base):
    """Call a verb with this installation's settings; gives its exit code and what it printed."""
    said = json.loads(settings.model_dump_json(exclude={"homes", "broker"})) | {"homes": []}
    (tmp_path / "hub.yaml").write_text(json.dumps(said))

    def call(*arguments, form=None, reach=()):
        config = ("-c", str(tmp_path / "hub.yaml")) if arguments[0] == "forms" else ()
        typed = json.dumps(form) if form is not None else None
        result = CliRunner().invoke(app, [*reach, *arguments, *config], input=typed)
        return result.exit_code, result.stdout

    return call


def test_a_form_is_installed_listed_given_back_compared_and_retired(run, party):
    code, said = run("forms", "install", "-", "--json", form=party)
    done = json.loads(said)
    assert (code, done["kind"], done["version"], done["taken"]) == (0, "formulaire.fete_des_voisins", 1, None)
    [listed] = json.loads(run("forms", "list", "--json")[1])
    assert (listed["service"], listed["retired"]) == ("quartiers@ville.example", False)
    assert json.loads(run("forms", "export", "fete_des_voisins")[1]) == party
    assert run("forms", "diff", "fete_des_voisins", "-", form=party)[0] == 0
    party["steps"][0]["fields"][1]["max_length"] = 5
    code, said = run("forms", "diff", "fete_des_voisins", "-", "--json", form=party)
    assert (code, json.loads(said)[0]["breaking"]) == (1, True)
    code, said = run("forms", "retire", "fete_des_voisins", "--json")
    assert (code, json.loads(said)["message"]) == (0, "La démarche « Fête des voisins » n'est plus proposée.")


def test_a_form_that_cannot_work_ends_with_its_findings(run, party):
    party["service"]["email"] = ""
    code, said = run("forms", "install", "-", "--json", form=party)
    assert (code, [one["field"] for one in json.loads(said)["findings"]]) == (1, ["/service/email"])
    code, said = run("forms", "install", "-", form=party)
    assert (code, "« Vie des quartiers »" in said, "give the mailbox" in said) == (1, True, True)


async def test_a_running_hub_takes_a_form_at_once_and_says_what_it_refuses(run, settings, party, shelf):
    async with open_hub(settings, serve=False) as opened:
        structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
        plain, key = new_key(opened.secret, opened.ledger.book.now(), front_end="*", role=Role.OPERATOR)
        await opened.ledger.write(add_keys, key)
        ready = asyncio.Event()
        server = Server(uvicorn.Config(build_api(opened), port=0, log_config=None, lifespan="off"), ready.set)
        serving = asyncio.create_task(server._serve())
        await ready.wait()
        port = server.servers[0].sockets[0].getsockname()[1]
        reach = ("--url", f"http://127.0.0.1:{port}", "--key", plain)
        code, said = await asyncio.to_thread(run, "forms", "install", "-", "--json", form=party, reach=reach)
        assert (code, json.loads(said)["taken"]) == (0, True)
        assert "formulaire.fete_des_voisins" in opened.catalogue.kinds
        (shelf.home / "mappings/courriel/autre.yaml").write_text("mapping: [")
        code, said = await asyncio.to_thread(run, "reload", reach=reach)
        assert (code, "courriel/autre.yaml:" in said) == (1, True)
        (shelf.home / "mappings/courriel/autre.yaml").unlink()
        code, said = await asyncio.to_thread(run, "reload", "--json", reach=reach)
        assert (code, json.loads(said)["findings"]) == (0, [])
        server.should_exit = True
        await serving
    structlog.reset_defaults()
