"""The image is small, runs as nobody, holds what was locked, and finds its connectors, mappings and routes."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.deployment.conftest import ROOT

HADOLINT = Path(sys.executable).with_name("hadolint")
BUILDING = re.compile(r"\b(apt-get|apk|gcc|git|curl|wget|pip3? install)\b")
FROM_ELSEWHERE = "--from="


def linted(file):
    """Lint a Dockerfile with hadolint."""
    command = [HADOLINT, "--no-color", "--failure-threshold", "style", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_linter_finds_nothing():
    ended = linted(ROOT / "Dockerfile")
    assert ended.returncode == 0, ended.stdout


def test_the_linter_would_find_something(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM python:latest\nUSER root\nRUN pip install aiohttp\n")
    ended = linted(tmp_path / "Dockerfile")
    assert ended.returncode == 1
    assert {"DL3002", "DL3007", "DL3013"} <= set(re.findall(r"DL\d+", ended.stdout))


def test_it_is_built_in_two_stages_from_one_pinned_python(stages):
    bases = [stage[0][1].split()[0] for stage in stages]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert re.fullmatch(rf"python:{project['tool']['mypy']['python_version']}\.\d+-slim-\w+", bases[0])


def test_only_what_was_locked_is_installed_and_nothing_is_compiled(stages):
    building = "\n".join(value for instruction, value in stages[0] if instruction == "RUN")
    [locked] = re.findall(r"pip install .*-r requirements\.txt", building)
    assert "--require-hashes" in locked
    assert "--only-binary :all:" in locked
    [ourselves] = re.findall(r"pip install .*--editable \.", building)
    assert {"--no-deps", "--no-build-isolation"} <= set(ourselves.split())


def test_the_last_stage_builds_nothing_and_ends_as_nobody(stages):
    last = stages[-1]
    assert not any(BUILDING.search(value) for instruction, value in last if instruction == "RUN")
    users = [place for place, (instruction, _) in enumerate(last) if instruction == "USER"]
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", last[users[-1]][1])
    assert {instruction for instruction, _ in last[users[0] :]} <= {"USER", "EXPOSE", "ENTRYPOINT", "CMD", "STOPSIGNAL"}
    assert json.loads(dict(last)["ENTRYPOINT"]) == ["hub"]


def copied(stages):
    """List the files and folders of this repository that the image is made of."""
    said = [value.split() for stage in stages for instruction, value in stage if instruction == "COPY"]
    return [name for words in said if not words[0].startswith(FROM_ELSEWHERE) for name in words[:-1]]


def test_the_builder_is_sent_what_it_copies_and_nothing_else(stages):
    ignored, *rest = [line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line[:1] != "#"]
    assert ignored == "*"
    assert sorted(line[1:] for line in rest if line.startswith("!")) == sorted(copied(stages))
    assert [line for line in rest if not line.startswith("!")] == ["**/__pycache__"]


def test_a_hub_made_of_those_files_alone_lacks_nothing(stages, tmp_path):
    for name in copied(stages):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)

    def python(*arguments):
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)

    assert python("-c", "from hub.settings import HOME; print(HOME)").stdout.strip() == str(tmp_path)
    monitors = python("-c", "import monitoring.prometheus as m; print(m.__file__)").stdout.strip()
    assert monitors == str(tmp_path / "monitoring/prometheus.py")
    checked = python("-m", "hub", "check", "--samples", "0")
    assert (checked.returncode, checked.stderr) == (0, "nothing to find fault with\n")
