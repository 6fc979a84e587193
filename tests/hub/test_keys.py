"""Keys: two at most for a front end, one that takes another's place, and when each was last used."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from hub.access import Role
from hub.cli_keys import keys
from hub.clock import system_clock
from hub.errors import ConfigurationError
from hub.keys import find_key
from hub.locksmith import Wanted, make_keys, revoke_key, rotate_key, show_keys
from hub.settings import Settings

DAY = 86_400_000
PORTAL = Wanted("portail", Role.FRONT_END, kinds={"essai"}, sites={"ville"})


@pytest.fixture
def ledger(tmp_path):
    return Settings(database=f"sqlite:///{tmp_path}/hub.db", secret_file=tmp_path / "secret")


def prefix_of(text):
    return text[4:16]


def test_a_third_key_is_refused_in_words_until_one_of_the_two_is_gone(ledger):
    first, _ = make_keys(ledger, PORTAL, PORTAL)
    with pytest.raises(ConfigurationError, match=rf"portail: at most 2 keys that live: revoke one of .*{first[4:16]}"):
        make_keys(ledger, PORTAL)
    revoke_key(ledger, prefix_of(first))
    assert make_keys(ledger, PORTAL)


def test_other_houses_and_roles_are_not_counted(ledger):
    others = [Wanted("voisin", Role.FRONT_END), *[Wanted("portail", Role.AGENT), Wanted("*", Role.OPERATOR)] * 3]
    make_keys(ledger, PORTAL, PORTAL, *others)
    assert len(show_keys(ledger)) == 9


def test_a_key_lives_for_a_year_unless_it_is_said(ledger):
    make_keys(ledger, PORTAL, replace(PORTAL, lasts=timedelta(days=2)))
    lives = sorted(round((key.expires_at - system_clock()) / DAY) for key in show_keys(ledger))
    assert lives == [2, 365]


def test_a_key_that_takes_another_s_place_may_do_the_same_and_the_other_ends_soon(ledger):
    [old] = make_keys(ledger, PORTAL)
    new = rotate_key(ledger, prefix_of(old), timedelta(days=30), timedelta(days=7))
    shown = {key.prefix: key for key in show_keys(ledger)}
    before, after = shown[prefix_of(old)], shown[prefix_of(new)]
    assert (after.front_end, after.role, after.kinds, after.sites) == ("portail", Role.FRONT_END, {"essai"}, {"ville"})
    assert [round((key.expires_at - system_clock()) / DAY) for key in (before, after)] == [7, 30]
    with pytest.raises(ConfigurationError, match="at most 2"):
        rotate_key(ledger, prefix_of(old), timedelta(days=30), timedelta(days=7))
    assert {key.expires_at for key in show_keys(ledger)} == {before.expires_at, after.expires_at}


def test_only_a_key_that_lives_is_replaced(ledger):
    [old] = make_keys(ledger, PORTAL)
    revoke_key(ledger, prefix_of(old))
    for prefix in (prefix_of(old), "0" * 12):
        with pytest.raises(ConfigurationError, match="neither expired nor revoked"):
            rotate_key(ledger, prefix, timedelta(days=30), timedelta(0))


def test_the_verbs_show_when_a_key_ends_and_was_last_used(ledger, tmp_path):
    file = tmp_path / "hub.yaml"
    file.write_text("database: sqlite:///hub.db\nsecret_file: secret\n")
    run = CliRunner().invoke
    made = run(keys, ["create", "portail", "-c", str(file)]).stdout.strip()
    new = run(keys, ["rotate", made, "-c", str(file)]).stdout.strip()
    assert new.startswith("hub_") and new != made  # noqa: PT018  # one thing
    listed = run(keys, ["list", "--json", "-c", str(file)]).stdout
    assert {(key["prefix"], key["last_used_at"]) for key in json.loads(listed)} == {
        (made[4:16], None),
        (new[4:16], None),
    }
    assert new[17:] not in listed


async def test_the_use_of_a_key_is_noted_off_the_path_of_its_calls(resting, open_desk):
    desk = await open_desk(resting)
    prefix = desk.headers["authorization"][11:23]
    for _ in range(3):
        assert (await desk.get("/v1/kinds")).status_code == 200
    assert (await resting.ledger.read(find_key, prefix)).last_used_at is None
    await resting.callers.note_used(resting.ledger)
    noted = (await resting.ledger.read(find_key, prefix)).last_used_at
    assert abs(noted - resting.ledger.book.now()) < DAY
    await resting.callers.note_used(resting.ledger)
    assert (await resting.ledger.read(find_key, prefix)).last_used_at == noted
