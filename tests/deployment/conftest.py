"""The files of an installation, read once: compose file, Dockerfile, Prometheus's and Grafana's."""

import os
import shutil
from pathlib import Path

import pytest
import yaml
from dockerfile_parse import DockerfileParser

from tests.docs.conftest import Document

ROOT = Path(__file__).parents[2]
HUB_IMAGE = "city-hub"


@pytest.fixture(scope="session")
def compose():
    """Read the compose file, with its anchors resolved."""
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))


@pytest.fixture(scope="session")
def services(compose):
    """Every service by its name."""
    return compose["services"]


@pytest.fixture(scope="session")
def ours(services):
    """The services that run the hub's own image."""
    return {name: said for name, said in services.items() if said["image"].startswith(f"{HUB_IMAGE}:")}


@pytest.fixture(scope="session")
def stages():
    """Read the Dockerfile's instructions, stage by stage."""
    with (ROOT / "Dockerfile").open("rb") as file:
        found = []
        for step in DockerfileParser(fileobj=file).structure:
            if step["instruction"] == "FROM":
                found.append([])
            if step["instruction"] != "COMMENT":
                found[-1].append((step["instruction"], step["value"]))
        return found


@pytest.fixture(scope="session")
def operations():
    """The guide that says how all this is operated."""
    return Document(ROOT / "docs/operations.md")


@pytest.fixture(scope="session")
def promtool():
    """Find Prometheus's own checker; a machine without it skips, except in CI, where nothing is skipped."""
    return program("promtool")


@pytest.fixture(scope="session")
def prometheus():
    """Find Prometheus, likewise."""
    return program("prometheus")


def program(name):
    found = shutil.which(name)
    if found is None:
        missing = f"{name}, of the Debian package prometheus, is not installed"
        if os.environ.get("CI") == "true":
            raise FileNotFoundError(missing)
        pytest.skip(missing)
    return found
