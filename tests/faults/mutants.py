"""Mutants: the hub with one of its safeguards taken out, which some test must then catch.

A pytest plugin (`-p tests.faults.mutants --mutant NAME`) takes it out from outside: nothing in the hub knows.
`python -m tests.faults.mutants` tries them all, and the hub as it is: it fails when a mutant survives, or when the
hub itself does not.
"""

import itertools
import math
import re
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple

import aiohttp
from hypothesis import Phase, settings
from sqlalchemy import select

from connectors._transport import http
from hub import claims, engine, judgement, records
from hub.errors import RefusedError, TransientError
from hub.lifecycle import TRANSITIONS, State
from hub.model import Effect
from hub.owner import FileOwner
from hub.tables import DELIVERIES

AT_ONCE = 2
"""So many mutants are tried beside each other."""

SCHEDULES = "tests/faults/test_simulator.py::test_whatever_two_things_go_wrong_it_ends_well"
STOPS = "tests/faults/test_interleaving.py::test_wherever_two_workers_stop_nothing_is_doubled"
MACHINE = "tests/faults/test_interleaving.py::TestInterleaving"

CAUGHT = re.compile(r"^/\S+:\d+: (?:AssertionError|assert).*?^FAILED (\S+)", re.MULTILINE | re.DOTALL)
"""How pytest says that an assertion failed, and in which test."""


def naive_retry():
    """Send again whatever went unanswered."""
    judgement.AFTER_UNCERTAIN = dict.fromkeys(Effect, judgement.AFTER_UNCERTAIN[Effect.SAFE])


def no_intent():
    """Send without having committed the intent; what comes of it is written all the same."""
    advance = records.advance

    def from_claimed(state, event):
        return advance(state if (state, event) in TRANSITIONS else State.SENDING, event)

    claims.intend = lambda _connection, batches: [[True] * len(batch) for batch in batches]
    records.advance = from_claimed


def timeout_is_transient():
    """Take a time-out for a message that was not sent."""
    http.MEANING[aiohttp.ServerTimeoutError] = (TransientError, "timeout")


class AnyFence(int):
    """A fence that passes for any other."""

    __hash__ = int.__hash__

    def __eq__(self, _other):
        return True

    def __ne__(self, _other):
        return False


def no_fence():
    """Believe that whoever holds a claim is the last to have made it."""
    intend, record, look = claims.intend, records.record, claims.look

    def any_intent(connection, batches):
        columns = DELIVERIES.c.id, DELIVERIES.c.fence
        asked = [intent.delivery for batch in batches for intent in batch]
        now = dict(connection.execute(select(*columns).where(DELIVERIES.c.id.in_(asked))).all())
        return intend(connection, [[one._replace(fence=now[one.delivery]) for one in batch] for batch in batches])

    def any_outcome(book, connection, outcomes):
        passed = [one._replace(claim=one.claim._replace(fence=AnyFence(one.claim.fence))) for one in outcomes]
        return record(book, connection, passed)

    def any_holder(book, connection, batches):
        passed = [[replace(one, fence=AnyFence(one.fence)) for one in batch] for batch in batches]
        return look(book, connection, passed)

    claims.intend, records.record, claims.look = any_intent, any_outcome, any_holder


def lease_only():
    """Take over whatever has a lease that is over, whether or not its owner lives."""
    held = claims.held

    async def everybody(self, names):
        return set(names) - {self.name}

    claims.held = lambda connection, me, now: [one for one in held(connection, me, now) if one.lease_until < now]
    FileOwner.dead = everybody


def frozen_sender():
    """Send however long ago the intent was committed."""
    engine.FRESH_FOR = math.inf


def new_key():
    """Give each message and each question a key of its own."""
    key_of, counted = engine.key_of, itertools.count()
    engine.key_of = lambda delivery: f"{key_of(delivery)}-{next(counted)}"


def absent_once():
    """Believe the first "absent"."""
    judge = engine.judge_asking

    def believing(case, answer):
        return judge(case._replace(claim=case.claim._replace(absences=1)), answer)

    engine.judge_asking = believing


def asked_at_once():
    """Ask before the target must show what it took."""
    judgement.Case.settled = property(lambda case: case.now)


def refusal_is_final():
    """Take a refusal for the last word, whatever was sent before it."""
    judge = engine.judge_sending

    def trusting(case, answer):
        forgets = isinstance(answer, RefusedError)
        return judge(case._replace(claim=case.claim._replace(ever_uncertain=False)) if forgets else case, answer)

    engine.judge_sending = trusting


class Mutant(NamedTuple):
    """One safeguard taken out, and the tests that must notice."""

    mutate: Callable[[], None]
    tests: str


MUTANTS = {
    mutant.mutate.__name__: mutant
    for mutant in (
        Mutant(naive_retry, f"{SCHEDULES}[lookup]"),
        Mutant(no_intent, f"{SCHEDULES}[lookup]"),
        Mutant(timeout_is_transient, f"{SCHEDULES}[once]"),
        Mutant(no_fence, MACHINE),
        Mutant(lease_only, STOPS),
        Mutant(frozen_sender, STOPS),
        Mutant(new_key, f"{SCHEDULES}[idempotent]"),
        Mutant(absent_once, f"{SCHEDULES}[lookup]"),
        Mutant(asked_at_once, f"{SCHEDULES}[lookup]"),
        Mutant(refusal_is_final, f"{SCHEDULES}[idempotent]"),
    )
}


def pytest_addoption(parser):
    """Let pytest be told which mutant to test."""
    parser.addoption("--mutant", choices=[*MUTANTS], help="take one safeguard out of the hub")


def pytest_configure(config):
    """Take the safeguard out, before any test is collected; what fails need not be made smaller."""
    name = config.getoption("--mutant")
    if name:
        settings.register_profile("mutant", phases=(Phase.generate,))
        settings.load_profile("mutant")
        MUTANTS[name].mutate()


def tried(name):
    """Run a mutant's tests, or all of them on the hub as it is (""); gives how pytest ended and the seconds it took."""
    began = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=line", "-p", "no:cacheprovider"]
    if name:
        command += ["-p", "tests.faults.mutants", "--mutant", name, MUTANTS[name].tests]
    else:
        command += sorted({mutant.tests for mutant in MUTANTS.values()})
    return subprocess.run(command, capture_output=True, text=True, check=False), time.monotonic() - began


def verdict(name, ended):
    """Say how a trial went, and whether that is well: a mutant that merely breaks down has proved nothing."""
    if not name:
        return ("all tests pass", True) if ended.returncode == 0 else (ended.stdout, False)
    caught = CAUGHT.search(ended.stdout)
    return (caught[1], True) if caught and ended.returncode == 1 else (f"SURVIVES\n{ended.stdout}", False)


def main():
    """Try every mutant, a few at a time, and say which test caught each; gives the exit code."""
    bad = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for name, (ended, seconds) in zip(["", *MUTANTS], pool.map(tried, ["", *MUTANTS]), strict=True):
            said, well = verdict(name, ended)
            bad += not well
            sys.stdout.write(f"{name or 'the hub as it is':24}{seconds:5.0f} s  {said}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(MUTANTS)} mutants, {bad} not as they should be\n")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
