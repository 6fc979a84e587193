"""The tutorial, run as a new user would: an empty folder, its files, its commands, a delivered request."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

PATIENCE = 30.0
A_COMMAND_S = 600.0  # never reached: a command that hangs ends the test rather than the run
TUTORIAL = "docs/tutorial.md"


@dataclass
class Terminal:
    """A shell in the new user's folder."""

    home: Path

    def run(self, script, **environment):
        """Run a block and give what it printed."""
        path = f"{self.home / '.venv/bin'}:{os.environ['PATH']}"
        ended = subprocess.run(
            ["/bin/sh", "-euc", script],
            cwd=self.home,
            env={**os.environ, "PATH": path, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=A_COMMAND_S,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def until(self, script, said, **environment):
        """Run a block until it says something."""
        until = time.monotonic() + PATIENCE
        while said not in (printed := self.run(script, **environment)):
            assert time.monotonic() < until, printed
            time.sleep(0.1)
        return printed


@pytest.fixture
def terminal(tmp_path):
    (tmp_path / ".venv/bin").mkdir(parents=True)
    hub = tmp_path / ".venv/bin/hub"
    hub.write_text(f'#!/bin/sh\nexec {sys.executable} -m hub "$@"\n')
    hub.chmod(0o755)
    return Terminal(tmp_path)


def test_the_tutorial_leads_from_a_wsdl_to_a_delivered_request(document, terminal):
    tutorial = document(TUTORIAL)
    files = tutorial.files()
    for name in ("hub.yaml", "guichet.wsdl"):
        (terminal.home / name).write_text(files[name])
    prepare = [block.text for block in tutorial.blocks("sh") if not block.label]
    connector, look, exam, kind, mapping, prove, target = prepare
    assert "signaler  once  Signaler un arbre" in terminal.run(connector)
    assert 'Call("Signaler", reference="Numero")' in terminal.run(look)
    assert "verts: silver" in terminal.run(exam)
    terminal.run(kind)
    assert tutorial.block("excerpt") in terminal.run(mapping)
    (terminal.home / "routes/verts_arbre/route.yaml").write_text(files["routes/verts_arbre/route.yaml"])
    assert "Gravite" in terminal.run(prove)
    deliver(tutorial, terminal)
    assert "connector: verts" in terminal.run(target)


def deliver(tutorial, terminal):
    """Start the hub as the tutorial says, and follow its requests to their ends."""
    words = tutorial.block("up").split()[1:]
    command = [sys.executable, "-m", "hub", *words, "--port", "0", "--json", "--tied"]
    with (terminal.home / "hub.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=terminal.home, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
        )
    try:
        line = process.stdout.readline()
        assert line, (terminal.home / "hub.log").read_text()
        announced = orjson.loads(line)
        keys, at = announced["keys"], {"HUB_URL": announced["url"], "CONTROL": announced["sandboxes"]}
        first, second = tutorial.texts("submit")
        assert "100 000 000" in terminal.run(first, HUB_KEY=keys["front_end"], **at)
        shown = terminal.until(tutorial.block("show"), "Accepté", HUB_KEY=keys["operator"], **at)
        assert "A-0001" in shown
        assert "VuLe" in shown
        terminal.run(tutorial.block("break"), **at)
        terminal.run(second, HUB_KEY=keys["front_end"], **at)
        terminal.until(tutorial.block("parked"), "100000001-1", HUB_KEY=keys["operator"], **at)
    finally:
        process.stdin.close()
        process.wait(30)


def test_the_tutorial_is_about_fifteen_commands(document):
    commands = "".join(block.text for block in document(TUTORIAL).blocks("sh")).splitlines()
    assert 12 <= len(commands) <= 20
