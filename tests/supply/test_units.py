"""The units of systemd run what exists, keep secrets where only the hub reads them, and let it do nothing else."""

import configparser
import shutil
import subprocess

import pytest

from hub.settings import Settings
from tests.docs.test_documents import parse
from tests.supply.locked import ROOT

FOLDER = ROOT / "docs/systemd"
UNITS = ("hub.service", "hub-api@.service", "hub-worker@.service")
PROGRAM = "/opt/hub/.venv/bin/hub"
MOST_EXPOSED = 1.5
"""Of ten, as systemd-analyze counts: what is left is the network, which a hub is for."""

CONFINED = {
    "capabilityboundingset": "",
    "ambientcapabilities": "",
    "limitcore": "0",
    "lockpersonality": "yes",
    "memorydenywriteexecute": "yes",
    "nonewprivileges": "yes",
    "privatedevices": "yes",
    "privatetmp": "yes",
    "privateusers": "yes",
    "protecthome": "yes",
    "protectproc": "invisible",
    "protectsystem": "strict",
    "restrictnamespaces": "yes",
    "restrictsuidsgid": "yes",
    "statedirectorymode": "0700",
    "systemcallarchitectures": "native",
    "umask": "0077",
    "user": "hub",
}
HELD_APART = {"execstart", "loadcredential", "environment"}
"""What may differ from one unit to another."""


@pytest.fixture(params=UNITS)
def unit(request):
    return FOLDER / request.param


@pytest.fixture
def analyze(tmp_path):
    """Ask systemd itself about a unit, whose program is here another that exists."""

    def asked(unit, verb, *options, change=lambda text: text):
        program = shutil.which("systemd-analyze")
        if program is None:
            pytest.skip("systemd is not installed")
        copy = tmp_path / unit.name
        copy.write_text(change(unit.read_text("utf-8").replace(PROGRAM, "/bin/true")))
        command = [program, verb, *options, str(copy)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    return asked


def read(unit):
    said = configparser.ConfigParser(strict=False, interpolation=None)
    said.read_string(unit.read_text("utf-8"))
    return said


def test_every_unit_is_there():
    assert {file.name for file in FOLDER.iterdir()} == set(UNITS)


def test_it_runs_what_exists_and_lets_it_end(unit):
    service = read(unit)["Service"]
    program, _, command = service["ExecStart"].replace("%i", "8080").partition(" ")
    assert program == PROGRAM
    parse(command)
    assert int(service["TimeoutStopSec"]) > Settings().grace.total_seconds()
    assert service["Restart"] == "always"


def test_it_may_do_what_a_hub_does_and_nothing_else(unit):
    service = read(unit)["Service"]
    assert {name: service[name] for name in CONFINED} == CONFINED
    assert "SystemCallFilter=@system-service\n" in unit.read_text("utf-8")


def test_all_are_confined_alike():
    services = [read(FOLDER / name)["Service"] for name in UNITS]
    said = [{name: one[name] for name in one if name not in HELD_APART} for one in services]
    assert said == said[:1] * len(UNITS)


def test_no_secret_stands_in_a_unit(unit):
    lines = unit.read_text("utf-8").splitlines()
    for line in lines:
        if line.startswith("Environment="):
            assert all(pair.partition("=")[2].startswith("%d/") for pair in line.removeprefix("Environment=").split())
    given = {line.rpartition(":")[0].partition("=")[2] for line in lines if line.startswith("LoadCredential=")}
    assert all(f"%d/{name}" in "\n".join(lines) for name in given)


def test_systemd_finds_no_fault_with_it(unit, analyze):
    ended = analyze(unit, "verify", "--man=no")
    assert (ended.returncode, ended.stderr) == (0, "")


def test_systemd_would_find_a_fault(unit, analyze):
    ended = analyze(unit, "verify", "--man=no", change=lambda text: text.replace("ProtectSystem=", "ProtectSytem="))
    assert "ProtectSytem" in ended.stderr


def test_systemd_calls_it_little_exposed(unit, analyze):
    ended = analyze(unit, "security", "--offline=yes", f"--threshold={MOST_EXPOSED * 10:.0f}", "--no-pager")
    assert ended.returncode == 0, ended.stdout[-400:]


def test_systemd_would_call_one_without_its_confinement_exposed(unit, analyze):
    threshold = f"--threshold={MOST_EXPOSED * 10:.0f}"
    bare = "[Service]\nUser=hub\nExecStart=/bin/true\n"
    assert analyze(unit, "security", "--offline=yes", threshold, change=lambda _: bare).returncode != 0
