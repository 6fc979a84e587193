"""The verbs of console accounts, which act straight in the ledger, whether a hub runs on it or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from hub.cli_local import Config, read_settings
from hub.terminal import Json, say, say_json, tell_rows

if TYPE_CHECKING:
    from hub.identities import Known
    from hub.settings import Settings

OF_ACCOUNT: Final = ("login", "name", "rights", "kinds", "sites", "identities", "locked", "disabled", "created_at")
OF_ASKING: Final = ("issuer", "subject", "asked_at")

Login = Annotated[str, typer.Argument(help="What the person types to enter.")]
FromInput = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
Subject = Annotated[str, typer.Option(help="What the provider calls the person: the page that refuses them shows it.")]
Issuer = Annotated[str | None, typer.Option(help="The provider, if it is not that of the settings.")]
Rights = Annotated[list[str] | None, typer.Option("--right", help="metadata, content, decide, retry, finalize, …")]

accounts = typer.Typer(
    no_args_is_help=True,
    help="Make, list and close accounts of the console.\n\nExample: hub accounts list -c hub.yaml",
)


@accounts.command()
def add(  # noqa: PLR0913  # its options are its parameters
    login: Login,
    name: Annotated[str, typer.Option(help="The person's name, as colleagues read it.")],
    *,
    right: Rights = None,
    every_right: Annotated[bool, typer.Option("--all", help="Every right: a first administrator.")] = False,
    kind: Annotated[list[str] | None, typer.Option(help="Keep it to this kind; may be repeated.")] = None,
    site: Annotated[list[str] | None, typer.Option(help="Keep it to this site; may be repeated.")] = None,
    identity: Annotated[str | None, typer.Option(help="The provider's subject: no password then.")] = None,
    issuer: Issuer = None,
    password_stdin: FromInput = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make an account; a password is drawn and printed this once, unless it is read from standard input.

    Who is known by an identity provider needs none.

    Example: hub accounts add agnes --name "Agnès Petit" --all
    """
    from hub.accounts import Account, Right
    from hub.doorkeeper import make_account
    from hub.errors import ConflictError

    rights = frozenset(Right) if every_right else frozenset(map(Right, _rights(right)))
    account = Account(
        login=login.strip().casefold(),
        name=name,
        rights=rights,
        kinds=frozenset(kind or ()),
        sites=frozenset(site or ()),
    )
    settings = read_settings(config)
    who = None if identity is None else _known(settings, issuer, identity)
    password = None if who and not password_stdin else _password(from_input=password_stdin)
    try:
        make_account(settings, account, password, who)
    except (ConflictError, ValueError) as error:
        raise typer.BadParameter(str(error)) from None
    _tell(account.login, password or "", shown=password is not None and not password_stdin, as_json=as_json)


@accounts.command()
def link(login: Login, *, subject: Subject, issuer: Issuer = None, config: Config = None) -> None:
    """Let somebody whom an identity provider knows enter under this login.

    Example: hub accounts link agnes --subject 2f4c9a10-7a6e-4a51-9d0b-5e1f3a7c8d92
    """
    from hub.doorkeeper import link_account
    from hub.errors import ConflictError

    settings = read_settings(config)
    try:
        link_account(settings, login.casefold(), _known(settings, issuer, subject))
    except (ConflictError, LookupError) as error:
        raise typer.BadParameter(str(error)) from None
    say(f"{login}: linked")


@accounts.command()
def unlink(login: Login, *, config: Config = None) -> None:
    """Let no identity provider vouch for this login any more; whoever is in under it must enter again.

    Example: hub accounts unlink agnes
    """
    from hub.doorkeeper import unlink_account

    if unlink_account(read_settings(config), login.casefold()) == 0:
        raise typer.BadParameter(f"no identity is linked to {login}")
    say(f"{login}: unlinked")


@accounts.command()
def asking(*, config: Config = None, as_json: Json = False) -> None:
    """List who came by the identity provider and has no account, for thirty days; nothing is kept but identifiers.

    Example: hub accounts asking --json
    """
    from hub.doorkeeper import show_asking
    from hub.settlement import iso

    asked = show_asking(read_settings(config))
    rows = [{"issuer": row.issuer, "subject": row.subject, "asked_at": iso(row.at)} for row in asked]
    tell_rows(rows, "asking", OF_ASKING, as_json=as_json)


@accounts.command()
def password(login: Login, *, password_stdin: FromInput = False, config: Config = None, as_json: Json = False) -> None:
    """Give an account another password, and unlock it; whoever is in under it must enter again.

    Example: hub accounts password agnes
    """
    from hub.doorkeeper import give_password

    said = _password(from_input=password_stdin)
    try:
        known = give_password(read_settings(config), login.casefold(), said)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    _require(known=known, login=login)
    _tell(login, said, shown=not password_stdin, as_json=as_json)


@accounts.command()
def rights(login: Login, *, right: Rights = None, config: Config = None) -> None:
    """Give an account these rights and no others.

    Example: hub accounts rights agnes --right metadata --right retry
    """
    from hub.doorkeeper import give_rights

    _require(known=give_rights(read_settings(config), login.casefold(), _rights(right)), login=login)
    say(f"{login}: changed")


@accounts.command()
def disable(login: Login, *, config: Config = None) -> None:
    """Let nobody enter under this login any more.

    Example: hub accounts disable agnes
    """
    from hub.doorkeeper import disable_account

    _require(known=disable_account(read_settings(config), login.casefold()), login=login)
    say(f"{login}: disabled")


@accounts.command("list")
def list_accounts(*, config: Config = None, as_json: Json = False) -> None:
    """List the accounts, never their passwords.

    Example: hub accounts list --json
    """
    from hub.accounts import is_locked
    from hub.clock import system_clock
    from hub.doorkeeper import count_identities, show_accounts
    from hub.settlement import iso

    now, settings = system_clock(), read_settings(config)
    identities = count_identities(settings)
    rows = [
        {
            "login": row.login,
            "name": row.name,
            "rights": row.roles,
            "kinds": row.kinds,
            "sites": row.sites,
            "identities": identities.get(row.login, 0),
            "locked": is_locked(row, now),
            "disabled": row.disabled_at is not None,
            "created_at": iso(row.created_at),
        }
        for row in show_accounts(settings)
    ]
    tell_rows(rows, "accounts", OF_ACCOUNT, as_json=as_json)


def _rights(said: list[str] | None) -> list[str]:
    from hub.accounts import Right

    unknown = sorted(set(said or ()) - set(Right))
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is no right: {', '.join(Right)}")
    return list(said or ())


def _password(*, from_input: bool) -> str:
    from hub.doorkeeper import draw_password

    if not from_input:
        return draw_password()
    return typer.get_text_stream("stdin").readline().rstrip("\n")


def _known(settings: Settings, issuer: str | None, subject: str) -> Known:
    from hub.identities import LONGEST_SUBJECT, Known

    identity = settings.console.identity
    named = issuer or (identity.issuer if identity else "")
    if not named:
        raise typer.BadParameter("the settings name no provider: say --issuer")
    if not 0 < len(subject) <= LONGEST_SUBJECT or len(named) > LONGEST_SUBJECT:
        raise typer.BadParameter(f"an identity has 1 to {LONGEST_SUBJECT} characters")
    return Known(named, subject)


def _require(*, known: bool, login: str) -> None:
    if not known:
        raise typer.BadParameter(f"there is no account called {login}")


def _tell(login: str, said: str, *, shown: bool, as_json: bool) -> None:
    if as_json:
        say_json({"login": login, **({"password": said} if shown else {})})
    else:
        say(f"{login}  {said}" if shown else f"{login}: done")
