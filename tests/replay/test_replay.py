"""A replay of years: nothing lost, nothing twice, and it goes on after it was killed."""

import csv
import json
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from urllib.parse import urlsplit

import pytest

from hub.catalogue import Catalogue
from hub.demo.traffic import read_samples
from hub.errors import ConfigurationError
from hub.gate import validate_data, validate_envelope
from hub.replay.drafts import draft
from hub.replay.journal import NAME, Frontier, Journal
from hub.replay.volumes import in_order, read_share, read_volumes, read_years, sampled
from hub.settings import HOME

FILE = HOME / "tests/data/volumes.csv"
YEARS = read_years("2013-2022")
WHOLE = 331_559
REPLAY = [sys.executable, "-m", "hub", "replay", "--volumes", str(FILE), "--seed", "5", "--json"]
PATIENCE = 400


@pytest.fixture(scope="module")
def volumes():
    return read_volumes(FILE)


@pytest.fixture(scope="module")
def samples():
    return read_samples(HOME)


def places(volumes, share, seed=3):
    return in_order(sampled(volumes, YEARS, read_share(share)), seed)


def replayed(*options):
    ended = subprocess.run([*REPLAY, *options], capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return json.loads(ended.stdout)


def assert_whole(account, volumes, share):
    """Every request ended, each where it belongs, once."""
    expected = sum((Counter(counts) for counts in sampled(volumes, YEARS, read_share(share)).values()), Counter())
    assert (account["lost"], account["doubled"], account["imbalance"]) == (0, 0, 0), account
    assert {kind: sum(ends.values()) for kind, ends in account["by_kind"].items()} == expected
    assert expected.keys() == volumes.keys()
    ends = sum(account[name] for name in ("delivered", "refused", "finalized", "cancelled"))
    assert account["accepted"] == ends == expected.total()


def test_ten_years_in_small_lose_and_double_nothing(volumes):
    account = replayed("--sample", "1%")
    assert_whole(account, volumes, "1%")
    assert account["faults"]
    assert account["memory"].keys() == {"hub", "sandboxes"}
    assert all(0 < weight["last"] <= weight["max"] < 2 * weight["first"] for weight in account["memory"].values())
    assert account["people"]["paid"]
    assert {"logitud", "technocarte", "courriel", "payfip", "esii", "grr", "sig"} <= account["by_target"].keys()


def test_a_replay_that_is_killed_goes_on_where_it_was(volumes, tmp_path):
    command = [*REPLAY, "--sample", "0.05%", "--resume", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        done = wait_until_some_are_done(tmp_path, process)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(60)
    assert done > 0
    account = replayed("--sample", "0.05%", "--resume", str(tmp_path))
    assert_whole(account, volumes, "0.05%")
    assert_gone(urlsplit(json.loads((tmp_path / NAME).read_text())["town"]["control"]).port)


def wait_until_some_are_done(folder, process):
    """Give how many requests the replay says it has done, once it has done any."""
    until = time.monotonic() + 60
    while True:
        assert process.poll() is None
        assert time.monotonic() < until
        if (folder / NAME).exists() and (done := json.loads((folder / NAME).read_text())["done"]):
            return done
        time.sleep(0.05)


def assert_gone(port):
    """Nobody listens there any more, or soon will not."""
    until = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            return
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_replay_refuses_the_folder_of_another(tmp_path):
    Journal(plan="another").write(tmp_path)
    with pytest.raises(ConfigurationError, match="another"):
        Journal.read(tmp_path, "mine")


def test_the_volumes_are_those_of_ten_years(volumes):
    assert sum(sum(years.values()) for years in volumes.values()) == WHOLE
    assert sum(1 for _ in places(volumes, "100%")) == WHOLE
    assert volumes["etat_civil.naissance"][2022] == 2
    assert volumes.keys() <= Catalogue.read(HOME).kinds.keys()


def test_the_volumes_may_be_a_line_a_year(volumes, tmp_path):
    file = tmp_path / "volumes.csv"
    with file.open("w", newline="") as opened:
        lines = csv.writer(opened)
        lines.writerow(["kind", "year", "requests"])
        lines.writerows([kind, year, count] for kind, years in volumes.items() for year, count in years.items())
    assert read_volumes(file) == volumes


@pytest.mark.parametrize("said", ["", "kind\ndoleance", "kind,year,requests\ndoleance,one,2", "kind,2013\ndoleance,x"])
def test_volumes_that_say_something_else_are_refused(said, tmp_path):
    file = tmp_path / "volumes.csv"
    file.write_text(said)
    with pytest.raises(ConfigurationError, match="a column for each year"):
        read_volumes(file)


def test_a_sample_keeps_the_proportions_and_every_kind(volumes):
    drawn = Counter(place.kind for place in places(volumes, "1%"))
    assert drawn.keys() == volumes.keys()
    for kind, count in drawn.items():
        assert abs(count - sum(volumes[kind].values()) / 100) < 1


@pytest.mark.parametrize("said", ["0", "101%", "-1%", "much", "1/0"])
def test_a_share_is_between_none_and_all(said):
    with pytest.raises((ValueError, ZeroDivisionError)):
        read_share(said)


def test_the_same_seed_gives_the_same_requests(volumes, samples):
    replays = [[draft(samples, place, seed) for place in places(volumes, "0.1%", seed)] for seed in (1, 1, 2)]
    assert replays[0] == replays[1]
    assert replays[0] != replays[2]


def test_every_request_is_one_its_kind_takes(volumes, samples):
    kinds = Catalogue.read(HOME).kinds
    for place in places(volumes, "0.3%"):
        submission = draft(samples, place, 3).submission
        kind = kinds[validate_envelope(submission).kind]
        validate_data(kind.validator, kind.schema, submission["data"])


def test_no_two_requests_want_the_same_slot_or_invoice(volumes, samples):
    wanted = Counter()
    for place in places(volumes, "2%"):
        data = draft(samples, place, 3).submission["data"]
        if place.kind.startswith("rendez_vous."):
            slot = data["creneau"]
            wanted[place.kind, slot["jour"], slot["debut"], slot.get("ressource", {}).get("key")] += 1
        wanted.update(bill["numero"] for bill in data.get("factures", ()))
    assert set(wanted.values()) == {1}


def test_how_far_it_came_counts_only_what_nothing_is_missing_before():
    frontier = Frontier()
    for index in (1, 2, 0, 4):
        frontier.accept(index)
    assert frontier.reached == 3
    assert frontier.ahead == {4}
