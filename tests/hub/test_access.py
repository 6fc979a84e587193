"""Who is let in, how far, and what the others are told."""

import hashlib
import hmac
import re
from dataclasses import replace

import pytest

from hub.access import (
    EVERY_HOUSE,
    MOST_REMEMBERED,
    Keyring,
    Principal,
    Role,
    Scope,
    allow,
    blind,
    new_key,
    require,
    same_house,
)
from hub.model import Instant
from hub.problems import Problem, ProblemType

PEPPER = b"p" * 32
NOON = Instant(1_780_000_000_000)


class Ledger:
    """Keys in memory, a clock that is set by hand, and a count of what was read."""

    def __init__(self):
        self.keys, self.reads, self.now = {}, [], NOON
        self.ring = Keyring(self.load, PEPPER, lambda: self.now)

    async def load(self, prefix):
        self.reads.append(prefix)
        return self.keys.get(prefix)

    def issue(self, **changes):
        plain, key = new_key(PEPPER, NOON, front_end="libreair", role=Role.FRONT_END)
        self.keys[key.prefix] = replace(key, **changes)
        return plain

    async def knows(self, header):
        return await self.ring.authenticate(header)


@pytest.fixture
def ledger():
    return Ledger()


def test_a_key_is_256_random_bits_and_only_its_hmac_is_kept():
    plain, key = new_key(PEPPER, NOON, front_end="publik", role=Role.FRONT_END)
    assert re.fullmatch(r"hub_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", plain)
    assert key.prefix == plain[4:16]
    assert key.hash == hmac.new(PEPPER, plain.encode(), hashlib.sha256).digest()
    assert plain[17:] not in repr(key)
    assert new_key(PEPPER, NOON, front_end="publik", role=Role.FRONT_END)[0] != plain


async def test_a_good_key_says_who_speaks(ledger):
    plain = ledger.issue(kinds=frozenset({"rapo"}), sites=frozenset({"ville"}))
    assert await ledger.knows(f"Bearer {plain}") == Principal(
        prefix=plain[4:16],
        front_end="libreair",
        role=Role.FRONT_END,
        kinds=frozenset({"rapo"}),
        sites=frozenset({"ville"}),
    )
    assert await ledger.knows(f"bearer  {plain}")


async def test_every_wrong_key_gets_the_same_answer(ledger):
    plain = ledger.issue()
    revoked, expired = ledger.issue(revoked_at=NOON), ledger.issue(expires_at=NOON)
    unknown, _ = new_key(PEPPER, NOON, front_end="libreair", role=Role.FRONT_END)
    other_pepper, key = new_key(b"q" * 32, NOON, front_end="libreair", role=Role.FRONT_END)
    ledger.keys[key.prefix] = key
    headers = [
        None,
        "",
        plain,
        f"Basic {plain}",
        f"Bearer {plain[:-1]}{'A' if plain[-1] != 'A' else 'B'}",
        f"Bearer {plain}\n",
        f"Bearer {plain}A",
        f"Bearer {plain.upper()}",
        "Bearer clé",
        f"Bearer {revoked}",
        f"Bearer {expired}",
        f"Bearer {unknown}",
        f"Bearer {other_pepper}",
    ]
    answers = set()
    for header in headers:
        with pytest.raises(Problem) as caught:
            await ledger.knows(header)
        response = caught.value.response()
        assert response.headers["www-authenticate"] == "Bearer"
        answers.add((response.status_code, response.body))
    assert len(answers) == 1
    assert next(iter(answers))[0] == 401


async def test_a_key_is_read_once_in_five_seconds(ledger):
    header = f"Bearer {ledger.issue()}"
    for _ in range(100):
        await ledger.knows(header)
    assert len(ledger.reads) == 1
    ledger.now = Instant(NOON + 5_000)
    await ledger.knows(header)
    assert len(ledger.reads) == 2


async def test_a_remembered_key_still_has_to_be_the_right_one(ledger):
    plain = ledger.issue()
    await ledger.knows(f"Bearer {plain}")
    with pytest.raises(Problem, match="unauthenticated"):
        await ledger.knows(f"Bearer {plain[:17]}{'A' * 43}")


async def test_a_remembered_key_expires_at_its_moment(ledger):
    header = f"Bearer {ledger.issue(expires_at=NOON + 1_000)}"
    await ledger.knows(header)
    ledger.now = Instant(NOON + 1_000)
    with pytest.raises(Problem, match="unauthenticated"):
        await ledger.knows(header)
    assert len(ledger.reads) == 1


async def test_a_revoked_key_is_refused_within_five_seconds_and_at_once_when_forgotten(ledger):
    plain = ledger.issue()
    prefix, header = plain[4:16], f"Bearer {plain}"
    await ledger.knows(header)
    ledger.keys[prefix] = replace(ledger.keys[prefix], revoked_at=NOON)
    await ledger.knows(header)
    ledger.ring.forget(prefix)
    with pytest.raises(Problem, match="unauthenticated"):
        await ledger.knows(header)


async def test_what_is_remembered_is_bounded_and_made_up_prefixes_push_nobody_out(ledger):
    plain = ledger.issue()
    await ledger.knows(f"Bearer {plain}")
    for number in range(MOST_REMEMBERED + 1):
        with pytest.raises(Problem):
            await ledger.knows(f"Bearer hub_{number:012x}_{'A' * 43}")
    ledger.reads.clear()
    await ledger.knows(f"Bearer {plain}")
    assert ledger.reads == []


async def test_beyond_the_bound_the_oldest_key_is_read_again(ledger):
    _, key = new_key(PEPPER, NOON, front_end="libreair", role=Role.FRONT_END)
    first, *others = (f"{number:012x}" for number in range(MOST_REMEMBERED + 1))
    ledger.keys = {prefix: replace(key, prefix=prefix) for prefix in (first, *others)}
    for prefix in (first, *others, first):
        with pytest.raises(Problem):
            await ledger.knows(f"Bearer hub_{prefix}_{'A' * 43}")
    assert ledger.reads.count(first) == 2
    assert ledger.reads.count(others[-1]) == 1


ALLOWED = {
    (Role.FRONT_END, Scope.SUBMIT),
    (Role.FRONT_END, Scope.READ),
    (Role.FRONT_END, Scope.DECIDE),
    (Role.AGENT, Scope.READ),
    (Role.AGENT, Scope.DECIDE),
    (Role.OPERATOR, Scope.READ),
    (Role.OPERATOR, Scope.DECIDE),
    (Role.OPERATOR, Scope.OPERATE),
}


def someone(role=Role.FRONT_END, front_end="libreair", **kept_to):
    return Principal(prefix="0" * 12, front_end=front_end, role=role, **kept_to)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("scope", Scope)
def test_a_role_does_what_its_row_says_and_nothing_else(role, scope):
    if (role, scope) in ALLOWED:
        require(someone(role), scope)
    else:
        with pytest.raises(Problem, match="forbidden"):
            require(someone(role), scope)


def test_a_key_that_is_kept_to_nothing_covers_everything():
    allow(someone(), "rapo", "annexe")


@pytest.mark.parametrize(("kind", "site"), [("rapo", "annexe"), ("ecole", "ville")])
def test_a_key_is_kept_to_its_kinds_and_its_sites(kind, site):
    kept = someone(kinds=frozenset({"rapo"}), sites=frozenset({"ville"}))
    allow(kept, "rapo", "ville")
    with pytest.raises(Problem) as caught:
        allow(kept, kind, site)
    assert caught.value.kind is ProblemType.FORBIDDEN


@pytest.mark.parametrize(
    ("principal", "let_in"),
    [
        (someone(), True),
        (someone(front_end="publik"), False),
        (someone(front_end=EVERY_HOUSE), False),
        (someone(Role.AGENT), True),
        (someone(Role.AGENT, front_end="publik"), False),
        (someone(Role.AGENT, front_end=EVERY_HOUSE), True),
        (someone(Role.OPERATOR, front_end=EVERY_HOUSE), True),
    ],
)
def test_another_house_s_request_does_not_exist(principal, let_in):
    if let_in:
        same_house(principal, "libreair")
    else:
        with pytest.raises(Problem) as caught:
            same_house(principal, "libreair")
        assert caught.value.kind is ProblemType.NOT_FOUND
        assert caught.value.detail == ""


@pytest.mark.parametrize(
    ("written", "searched"),
    [
        ("Lefèvre", "LEFEVRE"),
        ("  Jean-Pierre   de La Tour ", "jean pierre de la tour"),
        ("D’Angelo", "d'angelo"),
        ("Lecœur", "LECOEUR"),
        ("e\u0301cole", "école"),
        ("Lea@Example.FR", "lea@example.fr"),
        ("06 12 34 56 78", "0612345678"),
        ("+33 6 12.34.56.78", "0612345678"),
        ("+33 (0)6 12 34 56 78", "0612345678"),
        ("0033612345678", "06-12-34-56-78"),
        ("167 046 020", "167046020"),
    ],
)
def test_what_people_write_differently_is_found_alike(written, searched):
    assert blind(b"s" * 32, written) == blind(b"s" * 32, searched)


def test_a_blind_index_tells_people_and_secrets_apart_and_holds_no_name():
    index = blind(b"s" * 32, "Lefèvre")
    assert re.fullmatch(r"[0-9a-f]{64}", index)
    assert index != blind(b"s" * 32, "Lefebvre")
    assert index != blind(b"t" * 32, "Lefèvre")
