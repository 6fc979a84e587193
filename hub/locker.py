"""Where key-encryption keys come from: a file, the environment, or a command that asks a key service."""

from __future__ import annotations

import binascii
import os
import stat
import subprocess
import time
from base64 import b64decode, b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, select

from hub.database import open_database
from hub.errors import ConfigurationError
from hub.model import Instant
from hub.settings import Settings, from_environment, write_once
from hub.statements import upsert
from hub.tables import SEALING_KEYS
from hub.vault import KEY_BYTES, Keys, Vault

VARIABLE: Final = "HUB_ENCRYPTION_KEYS"
"""The keys in the environment, or in the file that HUB_ENCRYPTION_KEYS_FILE names; above the settings."""

ANSWERS_WITHIN: Final = 30.0
"""Seconds that a command has."""

LOOKED_EVERY: Final = 5.0
"""Seconds between two looks at a file that may have changed."""


class Locker:
    """The keys as their source has them, read again when it changes."""

    def __init__(self, keys: Keys, file: Path | None) -> None:
        self.keys, self._file = keys, file
        self._seen = _stamp(file)
        self._next = time.monotonic() + LOOKED_EVERY

    def fresh(self, now: bool) -> Keys | None:  # noqa: FBT001  # the one question a vault asks
        """Read a file again that has changed since; None when there is nothing new, or nothing that can be read."""
        if self._file is None or (not now and time.monotonic() < self._next):
            return None
        self._next = time.monotonic() + LOOKED_EVERY
        seen = _stamp(self._file)
        if seen in {None, self._seen}:
            return None
        try:
            self.keys = read_keys(self._file.read_text("utf-8"), str(self._file))
        except (ConfigurationError, OSError):  # half written, or no key any more: what was read still serves
            return None
        self._seen = seen
        return self.keys


def open_vault(settings: Settings, *, is_new: bool = False) -> Vault:
    """Open the vault of an installation; raises ConfigurationError when its keys cannot be had.

    With `is_new` a file that is not there yet is made: nothing was ever sealed.
    """
    said = settings.encryption
    if (text := from_environment(VARIABLE)) is not None:
        return Vault(read_keys(text, VARIABLE))
    if said.command:
        return Vault(read_keys(_ask(said.command), f"encryption.command: {said.command[0]}"))
    file = settings.key_file
    if is_new and not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_once(file, f"{b64encode(os.urandom(KEY_BYTES)).decode()}\n")
    locker = Locker(read_keys(_text_of(file), str(file)), file)
    return Vault(locker.keys, locker.fresh)


def vault_beside(settings: Settings, connection: Connection) -> Vault:
    """Open the vault of a ledger whether a hub runs on it or not; one that never sealed anything needs no key."""
    if not any_key(connection) and not _is_there(settings):
        return Vault()
    vault = open_vault(settings)
    check(connection, vault.keys)
    return vault


def vault_for(settings: Settings) -> Vault:
    """Open the vault of an installation's ledger, in a process of its own."""
    database = open_database(settings.database)
    try:
        with database.connect() as connection:
            return vault_beside(settings, connection)
    finally:
        database.dispose()


def read_keys(text: str, source: str) -> Keys:
    """Read keys, one a line in base64, the first of which wraps; raises ConfigurationError that shows none of them."""
    lines = [line.strip() for line in text.splitlines()]
    try:
        keys = [b64decode(line, validate=True) for line in lines if line and not line.startswith("#")]
        if keys:
            return Keys(keys)
    except (binascii.Error, ValueError):
        pass
    raise ConfigurationError(source, "one key a line, 32 random bytes in base64: openssl rand -base64 32") from None


def any_key(connection: Connection) -> bool:
    """Say whether anything was ever sealed in this ledger."""
    return connection.execute(select(SEALING_KEYS.c.name).limit(1)).first() is not None


def check(connection: Connection, keys: Keys) -> None:
    """Raise ConfigurationError when a key is missing that data of this ledger are still sealed under."""
    needed = connection.scalars(select(SEALING_KEYS.c.name).where(SEALING_KEYS.c.retired_at.is_(None)))
    lacking = sorted(set(needed) - set(keys.names))
    if lacking:
        wanted = f"the key-encryption key {lacking[0]} beside those there: data of this ledger are sealed under it"
        raise ConfigurationError("encryption", wanted)


def register(connection: Connection, seen: Sequence[tuple[str, Instant]]) -> list[None]:
    """Write down that data keys may be wrapped under these keys from now on."""
    statement = upsert(SEALING_KEYS).on_conflict_do_update(index_elements=["name"], set_={"retired_at": None})
    for name, now in seen:
        connection.execute(statement, {"name": name, "created_at": now, "retired_at": None})
    return [None] * len(seen)


def add_key(file: Path) -> str:
    """Put a new key before the others of a file, so that it wraps from now on; gives its name."""
    lines = _text_of(file).splitlines()
    key = os.urandom(KEY_BYTES)
    _replace(file, [b64encode(key).decode(), *lines])
    return Keys([key]).names[0]


def drop_key(file: Path, name: str) -> bool:
    """Move a key from its file to the file beside it, `keys.retired`; False when it is not there, or the only one.

    Backups from before still need it: whoever keeps them says when it is destroyed.
    """
    lines = _text_of(file).splitlines()
    gone = [line for line in lines if _is(line, name)]
    kept = [line for line in lines if line not in gone]
    if not gone or all(not line or line.startswith("#") for line in kept):
        return False
    retired = file.resolve().with_name(f"{file.resolve().name}.retired")
    before = retired.read_text("utf-8").splitlines() if retired.exists() else []
    _replace(retired, [*before, *gone], like=file)
    _replace(file, kept)
    return True


def _is(line: str, name: str) -> bool:
    try:
        return read_keys(line, "").names == [name]
    except ConfigurationError:
        return False


def _is_there(settings: Settings) -> bool:
    said = bool(settings.encryption.command) or from_environment(VARIABLE) is not None
    return said or settings.key_file.exists()


def _text_of(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        wanted = "the key-encryption keys of this installation: without them nothing sealed can be read"
        raise ConfigurationError(file, wanted) from None


def _ask(command: Sequence[str]) -> str:
    try:
        asked = subprocess.run(  # noqa: S603  # the settings' own command, without a shell
            command, capture_output=True, text=True, timeout=ANSWERS_WITHIN, check=True
        )
    except (OSError, subprocess.SubprocessError):
        raise ConfigurationError(f"encryption.command: {command[0]}", "a command that prints the keys") from None
    return asked.stdout


def _replace(file: Path, lines: Sequence[str], like: Path | None = None) -> None:
    """Put other lines in a file's place, whole or not at all; its owner and mode, or those of `like`, are kept."""
    there = file.resolve()
    aside = there.with_name(f"{there.name}.{os.urandom(4).hex()}")
    known = (like or there).stat()
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        os.fchmod(descriptor, stat.S_IMODE(known.st_mode))
        os.fchown(descriptor, known.st_uid, known.st_gid)
        opened.write("".join(f"{line}\n" for line in lines))
        opened.flush()
        os.fsync(descriptor)
    aside.replace(there)


def _stamp(file: Path | None) -> tuple[int, int] | None:
    try:
        found = file.stat() if file else None
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_ino) if found else None
