"""Key-encryption keys come from a file, the environment or a command, and none of them is ever shown."""

import os
import stat
from base64 import b64encode

import pytest

from hub.errors import ConfigurationError
from hub.locker import VARIABLE, add_key, drop_key, open_vault, read_keys
from hub.settings import Encryption, Settings
from hub.vault import BODY, Keys

KEY = os.urandom(32)
LINE = b64encode(KEY).decode()


@pytest.fixture
def settings(tmp_path):
    return Settings(secret_file=tmp_path / "var/secret")


def test_the_first_start_makes_a_key_for_its_owners_eyes_only(settings, tmp_path):
    vault = open_vault(settings, is_new=True)
    file = tmp_path / "var/keys"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert open_vault(settings).keys.names == vault.keys.names
    assert [one.name for one in file.parent.iterdir()] == ["keys"]


def test_a_ledger_that_has_something_sealed_wants_its_key(settings):
    with pytest.raises(ConfigurationError, match="key-encryption keys"):
        open_vault(settings)


def test_the_environment_is_above_the_file(settings, monkeypatch):
    open_vault(settings, is_new=True)
    monkeypatch.setenv(VARIABLE, LINE)
    assert open_vault(settings).keys.names == Keys([KEY]).names


def test_a_file_that_the_environment_names_serves_containers(settings, monkeypatch, tmp_path):
    (tmp_path / "mounted").write_text(f"# the city's\n{LINE}\n")
    monkeypatch.setenv(f"{VARIABLE}_FILE", str(tmp_path / "mounted"))
    assert open_vault(settings).keys.names == Keys([KEY]).names


def test_a_command_may_ask_a_key_service(settings):
    asking = settings.model_copy(update={"encryption": Encryption(command=("echo", LINE))})
    assert open_vault(asking).keys.names == Keys([KEY]).names


@pytest.mark.parametrize("command", [("false",), ("hub-no-such-command",), ("echo", "no-key")])
def test_a_command_that_gives_no_key_is_named(settings, command):
    asking = settings.model_copy(update={"encryption": Encryption(command=command)})
    with pytest.raises(ConfigurationError, match=command[0]):
        open_vault(asking)


@pytest.mark.parametrize("text", ["", "# none\n", "not base64!\n", b64encode(b"short").decode(), "QUJD" * 10])
def test_what_is_no_key_is_refused_and_not_shown(text):
    with pytest.raises(ConfigurationError, match="32 random bytes") as refused:
        read_keys(text, "hub.yaml")
    assert len(text) < 8 or text.strip() not in str(refused.value)


def test_a_hub_that_runs_reads_the_file_again_when_it_meets_a_key_it_does_not_know(settings):
    running = open_vault(settings, is_new=True)
    name = add_key(settings.key_file)
    wrapped, sealer = open_vault(settings).draw(1)
    assert running.keys.names[0] != name
    assert running.sealer(1, wrapped).open(BODY, sealer.seal(BODY, "Zoë")) == "Zoë"
    assert running.keys.names[0] == name


def test_a_key_is_taken_out_of_the_file_unless_it_is_the_only_one(settings):
    [old] = open_vault(settings, is_new=True).keys.names
    assert not drop_key(settings.key_file, old)
    new = add_key(settings.key_file)
    assert drop_key(settings.key_file, old)
    assert open_vault(settings).keys.names == [new]


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_whose_the_file_is_and_where_it_lies_stay_as_they_were(settings, tmp_path):
    open_vault(settings, is_new=True)
    elsewhere = tmp_path / "elsewhere"
    settings.key_file.rename(elsewhere)
    settings.key_file.symlink_to(elsewhere)
    os.chown(elsewhere, 1234, 1234)
    elsewhere.chmod(0o640)
    add_key(settings.key_file)
    now = elsewhere.stat()
    assert (settings.key_file.is_symlink(), now.st_uid, stat.S_IMODE(now.st_mode)) == (True, 1234, 0o640)
    assert len(open_vault(settings).keys.names) == 2
