"""The verbs about key-encryption keys: which there are, a new one, everything wrapped anew, an old one let go."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hub.cli_local import Config, read_settings
from hub.errors import ConfigurationError, ConflictError
from hub.terminal import Json, note, say, say_json, say_table

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hub.settings import Settings

vault = typer.Typer(
    no_args_is_help=True,
    help="What citizens wrote is sealed: the keys that wrap its keys.\n\nExample: hub vault show",
)

COLUMNS: Final = ("key", "use", "data_keys")


@vault.command("show")
def show(config: Config = None, *, as_json: Json = False) -> None:
    """List the key-encryption keys by name, and how many data keys each wraps.

    Example: hub vault show
    """
    from hub.locker import vault_beside
    from hub.rotation import counts
    from hub.trials.stored import opened

    settings = read_settings(config)
    with opened(settings.database) as engine, engine.connect() as connection:
        keys, found = vault_beside(settings, connection).keys, counts(connection)
    there = {name: place for place, name in enumerate(keys.names)}
    places = {**there, **{name: -1 for name in found if name not in there}}
    rows = [{"key": name, "use": _use(place), "data_keys": found.get(name, 0)} for name, place in places.items()]
    if as_json:
        say_json({"keys": rows})
        return
    say_table("key-encryption keys", rows, COLUMNS)


@vault.command("rotate")
def rotate(
    config: Config = None,
    *,
    new: Annotated[bool, typer.Option("--new", help="Draw a new key first, into the file of keys.")] = False,
    as_json: Json = False,
) -> None:
    """Wrap every data key under the first key, beside a hub that runs; an interrupted rotation goes on where it was.

    Example: hub vault rotate --new
    """
    from hub.locker import add_key, open_vault, register
    from hub.model import Instant
    from hub.rotation import turn
    from hub.trials.stored import opened

    settings = read_settings(config)
    with opened(settings.database) as engine:
        if new:
            _check_file(settings)
            with engine.begin() as connection:
                name = add_key(settings.key_file)
                register(connection, [(name, Instant(_now()))])
                _tell(settings, connection, "vault_key", name)
        vault = open_vault(settings)
        turned = turn(engine, vault, _progress(as_json=as_json))
        with engine.begin() as connection:
            _tell(settings, connection, "vault_rotate", vault.keys.names[0], **turned._asdict())
    if as_json:
        say_json(turned._asdict())
    else:
        say(f"{turned.rewrapped} data keys wrapped anew")
    if turned.lost:
        note(f"{turned.lost} data keys open under no key that is there: what they seal is lost unless it is found")
    raise typer.Exit(1 if turned.lost else 0)


@vault.command("retire")
def retire(
    name: Annotated[str, typer.Argument(help="The key's name, as `hub vault show` gives it.")], config: Config = None
) -> None:
    """Let a key go that nothing is under any more: from the file of keys into `keys.retired`, for old backups.

    Example: hub vault retire 1f0c77a2
    """
    from hub.locker import drop_key, open_vault
    from hub.rotation import retire as let_go
    from hub.trials.stored import opened

    settings = read_settings(config)
    with opened(settings.database) as engine:
        current = open_vault(settings).keys.names[0]
        try:
            with engine.begin() as connection:
                let_go(connection, name, current, _now())
                _tell(settings, connection, "vault_retire", name)
        except ConflictError as error:
            raise typer.BadParameter(str(error), param_hint="NAME") from None
        if settings.key_file.exists():
            drop_key(settings.key_file, name)
    say(f"{name} is not needed any more")


def _use(place: int) -> str:
    """Say what a key is for by its place in the file: the first wraps."""
    if place == 0:
        return "wraps"
    return "opens" if place > 0 else "missing"


def _check_file(settings: Settings) -> None:
    """Raise ConfigurationError where the keys do not come from a file: whoever keeps them makes them."""
    from hub.locker import VARIABLE
    from hub.settings import from_environment

    if settings.encryption.command or from_environment(VARIABLE) is not None:
        raise ConfigurationError("--new", "keys in a file: put the new key before the others where they come from")


def _progress(*, as_json: bool) -> Callable[[int], None]:
    def advance(done: int) -> None:
        if not as_json and done and done % 10_000 == 0:
            note(f"{done} data keys wrapped anew so far")

    return advance


def _tell(settings: Settings, connection: Connection, action: str, name: str, **detail: int) -> None:
    """Have the audit say what was done with the keys, and at whose keyboard."""
    from hub.audit import Entry
    from hub.auditor import add_to_audit, at_the_keyboard

    add_to_audit(settings, connection, Entry(at_the_keyboard(), action, f"key {name}", detail=detail))


def _now() -> int:
    from hub.clock import system_clock

    return int(system_clock())
