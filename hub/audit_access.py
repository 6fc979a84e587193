"""What the audit says of keys and accounts: made, changed, revoked, by whoever did it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hub.access import Key
from hub.accounts import Account, Change
from hub.audit import Entry, Unsaid

UNREMARKABLE: Final = frozenset({"language", "shortcuts", "failures"})
"""Columns of an account that say nothing of who may do what."""


def key_made(actor: str, key: Key) -> Entry:
    """Tell that a key was made, whose it is and what it may do."""
    said = {"front_end": key.front_end, "role": str(key.role), "kinds": sorted(key.kinds), "sites": sorted(key.sites)}
    return Entry(actor, "key.create", f"key {key.prefix}", detail={**said, "expires_at": key.expires_at})


def key_revoked(actor: str, prefix: str) -> Entry:
    """Tell that a key was revoked."""
    return Entry(actor, "key.revoke", f"key {prefix}")


def key_ended(actor: str, prefix: str, at: int) -> Entry:
    """Tell that a key is to expire, because another takes its place."""
    return Entry(actor, "key.expire", f"key {prefix}", detail={"at": at})


def account_made(actor: str, account: Account) -> Entry:
    """Tell that an account was made, and what it may do."""
    reach = {name: sorted(map(str, getattr(account, name))) for name in ("rights", "kinds", "sites")}
    return Entry(actor, "account.create", f"account {account.login}", detail=reach)


def identity_linked(actor: str, login: str, issuer: str, subject: str) -> Entry:
    """Tell that somebody whom a provider knows may come in under an account."""
    said = {"issuer": issuer, "subject": Unsaid(subject)}
    return Entry(actor, "account.link", f"account {login}", detail=said)


def identities_unlinked(actor: str, login: str, identities: int) -> Entry:
    """Tell that nobody comes in under an account by a provider any more."""
    return Entry(actor, "account.unlink", f"account {login}", detail={"identities": identities})


def account_changed(actor: str, change: Change) -> Sequence[Entry]:
    """Tell what changed of an account, never a password; nothing when it is no matter of access."""
    columns = sorted(change.values.keys() - UNREMARKABLE)
    if not columns:
        return ()
    rights = {"rights": change.values["roles"]} if "roles" in change.values else {}
    return (Entry(actor, "account.change", f"account {change.login}", detail={"changed": columns, **rights}),)
