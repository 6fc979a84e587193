"""The demonstration, as a newcomer runs it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter

import psutil
import pytest

from hub.catalogue import Catalogue
from hub.demo.papers import JPEG, write_pdf, write_png
from hub.demo.traffic import YEAR, draw_hour, read_samples
from hub.files import recognize
from hub.gate import validate_data, validate_envelope
from hub.settings import HOME

DEMO = [sys.executable, "-m", "hub", "demo", "--requests", "60"]
BALANCE = re.compile(r"balance: accepted=60( \w+=\d+){4} lost=0 doubled=0 imbalance=0")


@pytest.fixture(scope="module")
def samples():
    return read_samples(HOME)


def test_the_demonstration_loses_and_doubles_nothing():
    ended = subprocess.run([*DEMO, "--once"], capture_output=True, text=True, check=False, timeout=170)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    last = ended.stdout.splitlines()[-1]
    assert BALANCE.fullmatch(last), last
    counts = {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", last)}
    assert counts["delivered"] + counts["finalized"] + counts["refused"] + counts["other"] == 60
    assert counts["finalized"]


def test_nor_does_it_on_real_servers_with_a_worker_killed_in_the_middle(require_servers):
    command = [*DEMO, "--once", "--mode", "distributed"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "killed (kill -9), another started" in ended.stdout
    assert BALANCE.fullmatch(ended.stdout.splitlines()[-1])


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda how: how.name)
def test_no_process_outlives_the_demonstration(how, tmp_path):
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(DEMO, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        children = wait_for_children(psutil.Process(process.pid), 2)
    finally:
        process.send_signal(how)
        process.wait(60)
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive


def wait_for_children(parent, count):
    """Give the hub and the sandboxes, once both run."""
    until = time.monotonic() + 60
    while len(children := parent.children(recursive=True)) < count:
        assert time.monotonic() < until
        time.sleep(0.05)
    return children


def test_the_same_seed_gives_the_same_hour(samples):
    hours = [list(draw_hour(samples, 50, seed)) for seed in (1, 1, 2)]
    assert hours[0] == hours[1]
    assert hours[0] != hours[2]


def test_every_request_of_the_hour_is_one_its_kind_takes(samples):
    kinds = Catalogue.read(HOME).kinds
    for draft in draw_hour(samples, 400, 3):
        kind = kinds[validate_envelope(draft.submission).kind]
        validate_data(kind.validator, kind.schema, draft.submission["data"])


def test_the_hour_keeps_the_proportions_of_the_year(samples):
    drawn = Counter(draft.submission["kind"] for draft in draw_hour(samples, 4000, 4))
    year = sum(YEAR[kind] for kind in drawn)
    assert all(abs(drawn[kind] / 4000 - YEAR[kind] / year) < 0.03 for kind in drawn)


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (JPEG, "image/jpeg"),
        (write_png(7), "image/png"),
        (write_pdf("Justificatif de domicile (fictif), été"), "application/pdf"),
    ],
)
def test_the_papers_joined_are_what_they_say(content, media_type, tmp_path):
    (tmp_path / "paper").write_bytes(content)
    assert recognize(tmp_path / "paper") == media_type
