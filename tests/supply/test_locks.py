"""What is installed is what was locked: every file by its hash, from whatever index the installation uses."""

import re

import pytest

from tests.supply.locked import ROOT, RUNNING, WORKING, read

LOCKS = {"running": RUNNING, "working": WORKING}
ELSEWHERE = re.compile(r"://|\bgit\+|^\s*-(i|f|e)\b|--(extra-)?index-url|--find-links|--trusted-host", re.MULTILINE)


@pytest.fixture(params=LOCKS.values(), ids=LOCKS)
def lock(request):
    return request.param


def test_every_requirement_is_locked_to_a_version_and_to_hashes(lock):
    requirements = read(lock)
    assert len(requirements) > 50
    assert [one.name for one in requirements if not one.hashes] == []
    assert len({one.name for one in requirements}) == len(requirements)


def test_no_lock_says_where_its_files_come_from(lock):
    assert ELSEWHERE.findall(lock.read_text("utf-8")) == []


def test_what_runs_is_what_was_tested():
    tested = {one.name: one for one in read(WORKING)}
    assert [one.name for one in read(RUNNING) if tested[one.name] != one] == []


def test_whoever_installs_asks_for_the_hashes():
    for file in ("Makefile", "Dockerfile"):
        text = (ROOT / file).read_text("utf-8")
        installing = re.findall(r"pip install .*-r requirements\S*\.txt", text)
        assert installing, file
        assert all("--require-hashes" in line for line in installing), file


def test_a_requirement_without_a_version_stops_the_reading(tmp_path):
    (tmp_path / "lock.txt").write_text("httpx==0.28.1 \\\n    --hash=sha256:" + "0" * 64 + "\nzeep>=4\n")
    with pytest.raises(ValueError, match="zeep>=4"):
        read(tmp_path / "lock.txt")
