"""The compose file is one that Compose takes, and says nothing that cannot be."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

from hub.model import read_duration
from hub.settings import Settings
from tests.deployment.conftest import ROOT

EXPECTED = "postgres rabbitmq migrate api-1 api-2 worker-1 worker-2 sandboxes mail prometheus grafana"
ONE_SHOT = {"migrate"}
PINNED = re.compile(r"\S+:v?\d+\.\d+(\.\d+)?(-[a-z]+)?")
SECRET = re.compile(r"PASS|SECRET|DATABASE_URL|BROKER_URL|KEYS")
LONG = {"secrets": "source", "configs": "source"}


def checked(file):
    """Hold a file to the compose specification's schema."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_it_obeys_the_compose_specification():
    ended = checked(ROOT / "docker-compose.yml")
    assert ended.returncode == 0, ended.stdout


def test_a_wrong_word_would_be_found(compose, tmp_path):
    wrong = {**compose, "services": {"api": {"image": "city-hub:1.0", "restarts": "always"}}}
    (tmp_path / "wrong.yml").write_text(yaml.safe_dump(wrong))
    ended = checked(tmp_path / "wrong.yml")
    assert ended.returncode == 1
    assert "restarts" in ended.stdout


def test_every_service_is_there(services):
    assert sorted(services) == sorted(EXPECTED.split())


def used(service, part):
    """List what a service uses of a part that the file declares: in its short form, or in its long one."""
    names = [one[LONG[part]] if isinstance(one, dict) else one for one in service.get(part, ())]
    if part == "volumes":
        return {name.partition(":")[0] for name in names if not name.startswith((".", "/"))}
    return set(names)


def test_what_is_used_is_declared_and_what_is_declared_is_used(compose, services):
    for part in ("secrets", "configs", "volumes", "networks"):
        assert set().union(*(used(service, part) for service in services.values())) == set(compose[part]), part


def test_who_waits_for_another_can_see_it_come(services):
    for name, service in services.items():
        for needed, said in service.get("depends_on", {}).items():
            match said["condition"]:
                case "service_healthy":
                    assert "test" in services[needed]["healthcheck"], name
                case "service_completed_successfully":
                    assert needed in ONE_SHOT, name
                case condition:
                    assert (needed, condition) == ("rabbitmq", "service_started"), name


def test_every_lasting_service_is_watched_and_started_again(services):
    for name in services.keys() - ONE_SHOT:
        assert services[name]["healthcheck"]["test"][0] == "CMD", name
        assert services[name]["restart"] == "unless-stopped", name


def test_no_service_has_more_power_than_it_needs(services):
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service.get("read_only") or name == "rabbitmq", name
        assert "privileged" not in service, name
        assert not str(service.get("user", "")).startswith(("0", "root")), name


def test_every_image_is_pinned_and_ours_bears_this_version(services, ours):
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert {service["image"] for service in ours.values()} == {f"city-hub:{version}"}
    assert all(PINNED.fullmatch(service["image"]) for service in services.values())


def test_nothing_listens_beyond_this_machine(services):
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert len(ports) == len({port.rpartition(":")[0] for port in ports})


def test_the_database_is_not_reached_from_outside(compose, services):
    assert compose["networks"]["inside"]["internal"] is True
    assert services["postgres"]["networks"] == ["inside"]


def test_no_secret_stands_in_the_file_or_in_an_environment(compose, services):
    for service in services.values():
        for name, value in (service.get("environment") or {}).items():
            assert not re.search(r"PASS|SECRET|DATABASE_URL|BROKER_URL", name) or value.startswith("/run/secrets/"), (
                name
            )
    said = yaml.safe_load(compose["configs"]["hub"]["content"])
    assert "password" not in str(said)
    assert all(set(secret) == {"file"} for secret in compose["secrets"].values())


def test_secrets_are_kept_out_of_the_history_and_of_the_image(compose):
    assert "/secrets/" in (ROOT / ".gitignore").read_text("utf-8").splitlines()
    assert {Path(secret["file"]).parent for secret in compose["secrets"].values()} == {Path("secrets")}


def test_the_hub_has_more_time_to_end_than_it_takes(services, ours):
    assert all(read_duration(service["stop_grace_period"]) > Settings().grace for service in ours.values())


def test_what_is_mounted_from_here_exists(services):
    volumes = [one for service in services.values() for one in service.get("volumes", ()) if one.startswith(".")]
    assert volumes
    for mounted in volumes:
        source, _, options = mounted.split(":")
        assert (ROOT / source).is_dir()
        assert options == "ro"


def test_the_guide_makes_every_secret_and_they_agree(compose, operations, tmp_path):
    subprocess.run(["/bin/sh", "-euc", operations.block("secrets")], cwd=tmp_path, check=True, timeout=60)
    made = {f"secrets/{file.name}": file for file in (tmp_path / "secrets").iterdir()}
    assert set(made) == {secret["file"] for secret in compose["secrets"].values()}
    texts = {name: file.read_text().strip() for name, file in made.items()}
    user = f"hub:{texts['secrets/postgres_password']}@postgres:5432/hub"
    assert texts["secrets/database_url"] == f"postgresql+psycopg://{user}"
    broker = re.fullmatch(r"amqp://hub:(\w{48})@rabbitmq:5672/hub", texts["secrets/broker_url"])
    assert texts["secrets/rabbitmq.conf"].splitlines()[-1] == f"default_pass = {broker[1]}"
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert all(file.stat().st_mode & 0o777 == 0o644 for file in made.values())


def test_making_the_secrets_again_does_not_lose_them(operations, tmp_path):
    script = ["/bin/sh", "-uc", operations.block("secrets")]
    subprocess.run(script, cwd=tmp_path, check=True, timeout=60)
    before = (tmp_path / "secrets/hub_secret").read_text()
    assert subprocess.run(script, cwd=tmp_path, check=False, capture_output=True, timeout=60).returncode != 0
    assert (tmp_path / "secrets/hub_secret").read_text() == before
