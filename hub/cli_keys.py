"""The verbs of API keys, which act straight in the ledger, whether a hub runs on it or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hub.cli_local import Config, read_settings
from hub.terminal import Json, say, say_json, tell_rows

if TYPE_CHECKING:
    from hub.model import Instant

OF_KEY: Final = (
    "prefix",
    "front_end",
    "role",
    "kinds",
    "sites",
    "alive",
    "created_at",
    "expires_at",
    "revoked_at",
    "last_used_at",
)

Days = Annotated[int, typer.Option(min=1, max=3650, help="How many days it lives.")]

keys = typer.Typer(
    no_args_is_help=True,
    help="Make, list and revoke API keys, straight in the ledger.\n\nExample: hub keys list -c hub.yaml",
)


@keys.command()
def create(  # noqa: PLR0913  # its options are its parameters
    front_end: Annotated[str, typer.Argument(help="The front end's name; * for all of them.")],
    *,
    role: Annotated[str, typer.Option(help="front_end, agent or operator.")] = "front_end",
    kind: Annotated[list[str] | None, typer.Option(help="Keep it to this kind; may be repeated.")] = None,
    site: Annotated[list[str] | None, typer.Option(help="Keep it to this site; may be repeated.")] = None,
    days: Days = 365,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make a key, and print it this once.

    Example: hub keys create portail --kind etat_civil.naissance --days 365
    """
    from datetime import timedelta

    from hub.access import Role
    from hub.locksmith import Wanted, make_keys

    if role not in set(Role):
        raise typer.BadParameter(f"a role is one of {', '.join(Role)}")
    lasts = timedelta(days=days)
    [text] = make_keys(read_settings(config), Wanted(front_end, Role(role), kind or (), site or (), lasts))
    if as_json:
        say_json({"key": text, "front_end": front_end, "role": role})
    else:
        say(text)


@keys.command(name="list")
def list_keys(config: Config = None, *, as_json: Json = False) -> None:
    """List the keys: whose they are, what for, until when, and when last used. Their texts are not kept.

    Example: hub keys list -c hub.yaml
    """
    from hub.clock import system_clock

    tell_rows(read_keys(read_settings(config), system_clock()), "keys", OF_KEY, as_json=as_json)


@keys.command()
def rotate(
    prefix: Annotated[str, typer.Argument(help="The 12 digits after hub_ of the key to replace.")],
    *,
    days: Days = 365,
    overlap: Annotated[int, typer.Option(min=0, max=90, help="How many days the old one still lives.")] = 7,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make a key that may do the same, and print it this once; the old one ends a few days later.

    Example: hub keys rotate 4f2a9c01d3e8 --overlap 7
    """
    from datetime import timedelta

    from hub.locksmith import rotate_key

    lasting = timedelta(days=days), timedelta(days=overlap)
    text = rotate_key(read_settings(config), _prefix(prefix), *lasting)
    if as_json:
        say_json({"key": text, "replaces": _prefix(prefix)})
    else:
        say(text)


@keys.command(name="revoke")
def revoke(
    prefix: Annotated[str, typer.Argument(help="The 12 digits after hub_.")],
    config: Config = None,
    *,
    as_json: Json = False,
) -> None:
    """Revoke a key: a running hub stops knowing it within five seconds.

    Example: hub keys revoke 4f2a9c01d3e8
    """
    from hub.locksmith import revoke_key

    found = revoke_key(read_settings(config), _prefix(prefix))
    if as_json:
        say_json({"prefix": prefix, "revoked": found})
    else:
        say("revoked" if found else "no key has this prefix")
    raise typer.Exit(not found)


def _prefix(said: str) -> str:
    """Read a prefix, even out of a whole key."""
    return said.removeprefix("hub_")[:12]


def read_keys(settings: Any, now: Instant) -> list[dict[str, Any]]:
    """Read every key of the ledger, the newest first, without its hash; `alive` is neither expired nor revoked."""
    from hub.locksmith import show_keys
    from hub.settlement import iso

    moments = ("created_at", "expires_at", "revoked_at", "last_used_at")
    return [
        {
            **{name: str(getattr(key, name)) for name in ("prefix", "front_end", "role")},
            **{name: sorted(getattr(key, name)) for name in ("kinds", "sites")},
            **{name: iso(moment) if (moment := getattr(key, name)) else None for name in moments},
            "alive": key.alive(now),
        }
        for key in show_keys(settings)
    ]
