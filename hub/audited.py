"""What the ledger's operations are in the audit: one table, which says of every other operation why it is in none.

An operation writes its rows in its own transaction. A new act of `hub.acts` is told by its fields: those listed as
codes as they are, every other one as a digest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Connection, select

from hub.access import Key
from hub.accounts import LOCKED_FOR, Change, NewAccount, Trial, account_row, change_accounts, create_accounts, enter
from hub.acts import act
from hub.acts_seen import Seen, act_on_seen
from hub.audit import Entry, Operation, Outcome, Telling, Unsaid, tell
from hub.audit_access import account_changed, account_made, key_made, key_revoked
from hub.batch_run import Start, Steer, start, steer
from hub.book import keep
from hub.catalogue import Catalogue
from hub.errors import HubError
from hub.identities import Admission, Arrival, admit
from hub.keys import add_keys, revoke
from hub.looks import Look, look
from hub.policy import later
from hub.reload import version_of
from hub.settlement import key_of
from hub.tables_operations import BATCH_ROWS, IDENTITIES
from hub.targets import Switch, switch
from hub.wishes import Act, MissingError, Note, NotNowError, OfDelivery

CODES: Final = frozenset({"accepted", "step", "sure", "current", "target", "code"})
"""Fields of acts that hold a word of ours: any other may hold what a person typed, or what a request contains."""

NAMED_OTHERWISE: Final = frozenset({"actor", "number", "delivery", "stage"})
"""Fields of acts that say who and about what."""

EMPTY: Final = (None, "", False)
"""What needs no words."""

HUB: Final = "hub"
"""The actor of what the hub does by itself."""


def told_of_act(_connection: Connection, wanted: Act, came: Any) -> Iterator[Entry]:
    """Tell an act, done or refused; one about what does not exist is told by the door."""
    if isinstance(came, MissingError):
        return
    said = {one.name: getattr(wanted, one.name) for one in fields(wanted) if one.name not in NAMED_OTHERWISE}
    detail = {name: value if name in CODES else Unsaid(value) for name, value in said.items() if value not in EMPTY}
    yield Entry(wanted.actor, type(wanted).__name__.lower(), _about(wanted), *_outcome(came, detail))


def told_of_seen(connection: Connection, seen: Seen, came: Any) -> Iterator[Entry]:
    """Tell an act on what a person saw."""
    return told_of_act(connection, seen.wanted, came)


def told_of_switch(_connection: Connection, wanted: Switch, found: bool) -> Iterator[Entry]:  # noqa: FBT001  # a result
    """Tell that a target was paused or resumed."""
    if found:
        detail = {"reason": Unsaid(wanted.reason)} if wanted.reason else {}
        yield Entry(wanted.actor, "pause" if wanted.paused else "resume", f"target {wanted.target}", detail=detail)


def told_of_start(connection: Connection, wanted: Start, came: Any) -> Iterator[Entry]:
    """Tell that a batch was started: what its rows are is in the digest of their numbers."""
    rows = select(BATCH_ROWS.c.subject).where(BATCH_ROWS.c.batch == wanted.batch).order_by(BATCH_ROWS.c.position)
    subjects = list(connection.scalars(rows))
    detail = {"reason": Unsaid(wanted.reason), "rows": len(subjects), "subjects": Unsaid(subjects)}
    yield Entry(wanted.actor, "batch.start", f"batch {wanted.batch}", *_outcome(came, detail))


def told_of_steer(_connection: Connection, wanted: Steer, came: Any) -> Iterator[Entry]:
    """Tell that a batch was paused, continued or stopped."""
    yield Entry(wanted.actor, f"batch.{wanted.wish}", f"batch {wanted.batch}", *_outcome(came, {}))


def told_of_look(_connection: Connection, one: Look, _came: None) -> Iterator[Entry]:
    """Tell that a person was shown what a request contains."""
    about = f"request {one.number:09d}" if one.delivery is None else f"delivery {key_of(one.delivery)}"
    why = {"why": Unsaid(one.why)} if one.why else {}
    yield Entry(one.actor, "reveal", about, Outcome.ALLOW, {"what": one.what, **why})


def told_of_trial(connection: Connection, trial: Trial, entered: bool) -> Iterator[Entry]:  # noqa: FBT001  # a result
    """Tell that somebody came in, or gave a wrong password.

    Of an account that is unknown, disabled or locked already the door tells it: a row a try would fill the disk.
    """
    row = account_row(connection, trial.login)
    if row is None or row.disabled_at is not None:
        return
    is_just_locked = row.locked_until == later(trial.at, LOCKED_FOR)
    if entered or is_just_locked or row.locked_until <= trial.at:
        outcome = Outcome.ALLOW if entered else Outcome.DENY
        code = "" if entered else "locked" if is_just_locked else "password"
        detail = {"code": code} if code else {}
        yield Entry(f"console/{trial.login}", "sign_in", f"account {trial.login}", outcome, detail)


def told_of_admission(connection: Connection, arrival: Arrival, came: Admission) -> Iterator[Entry]:
    """Tell that somebody came in by an identity provider; of whom it does not let in the door tells."""
    who = arrival.who
    mine = IDENTITIES.c.issuer == who.issuer, IDENTITIES.c.subject == who.subject
    login = connection.scalar(select(IDENTITIES.c.login).where(*mine))
    if came is Admission.ENTERED:
        yield Entry(f"console/{login}", "sign_in", f"account {login}", Outcome.ALLOW, {"by": "identity"})


def told_of_account(_connection: Connection, made: NewAccount, refused: Any) -> Iterator[Entry]:
    """Tell that an account was made."""
    if refused is None:
        yield account_made(HUB, made.account)


def told_of_change(_connection: Connection, change: Change, found: bool) -> Iterator[Entry]:  # noqa: FBT001  # a result
    """Tell what a person changed of their own account: in the console they change no other."""
    if found:
        yield from account_changed(f"console/{change.login}", change)


def told_of_key(_connection: Connection, key: Key, _came: None) -> Iterator[Entry]:
    """Tell that a key was made."""
    yield key_made(HUB, key)


def told_of_revocation(_connection: Connection, wanted: tuple[str, int], found: bool) -> Iterator[Entry]:  # noqa: FBT001
    """Tell that a key was revoked."""
    if found:
        yield key_revoked(HUB, wanted[0])


def told_of_catalogue(_connection: Connection, catalogue: Catalogue, _came: None) -> Iterator[Entry]:
    """Tell that the hub goes by other files from now on."""
    yield Entry(HUB, "catalogue.take", f"catalogue {version_of(catalogue)}", detail={"kinds": len(catalogue.kinds)})


def told_as_it_is(_connection: Connection, entry: Entry, _came: None) -> Iterator[Entry]:
    """Tell an entry that stands for itself."""
    yield entry


AUDITED: Final[Mapping[Operation, Telling]] = MappingProxyType(
    {
        tell: told_as_it_is,
        act_on_seen: told_of_seen,
        start: told_of_start,
        steer: told_of_steer,
        look: told_of_look,
        enter: told_of_trial,
        admit: told_of_admission,
        create_accounts: told_of_account,
        change_accounts: told_of_change,
        add_keys: told_of_key,
        revoke: told_of_revocation,
    }
)
"""Operations handed to `Ledger.write` that leave rows."""

OF_THE_LEDGER: Final[Mapping[Any, Telling]] = MappingProxyType(
    {act: told_of_act, switch: told_of_switch, keep: told_of_catalogue}
)
"""Operations that the ledger has as verbs of its own."""


def _about(wanted: Act) -> str:
    if isinstance(wanted, OfDelivery):
        return f"delivery {key_of(wanted.delivery)}"
    return f"cause {wanted.target} {wanted.code}" if isinstance(wanted, Note) else f"request {wanted.number:09d}"


def _outcome(came: Any, detail: Mapping[str, Any]) -> tuple[Outcome, Mapping[str, Any]]:
    """Say whether it was done, or why it was not, in a code."""
    if not isinstance(came, HubError):
        return Outcome.DONE, detail
    code = str(came.why) if isinstance(came, NotNowError) else type(came).__name__.removesuffix("Error").lower()
    return Outcome.DENY, {**detail, "why": code}
