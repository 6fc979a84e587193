"""The verbs of console accounts, which act straight in the ledger, whether a hub runs on it or not."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from hub.cli_local import Config, read_settings
from hub.terminal import Json, say, say_json, tell_rows

OF_ACCOUNT: Final = ("login", "name", "rights", "kinds", "sites", "locked", "disabled", "created_at")

Login = Annotated[str, typer.Argument(help="What the person types to enter.")]
FromInput = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
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
    password_stdin: FromInput = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make an account; a password is drawn and printed this once, unless it is read from standard input.

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
    password = _password(from_input=password_stdin)
    try:
        make_account(read_settings(config), account, password)
    except (ConflictError, ValueError) as error:
        raise typer.BadParameter(str(error)) from None
    _tell(account.login, password, shown=not password_stdin, as_json=as_json)


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
    from hub.doorkeeper import show_accounts
    from hub.settlement import iso

    now = system_clock()
    rows = [
        {
            "login": row.login,
            "name": row.name,
            "rights": row.roles,
            "kinds": row.kinds,
            "sites": row.sites,
            "locked": is_locked(row, now),
            "disabled": row.disabled_at is not None,
            "created_at": iso(row.created_at),
        }
        for row in show_accounts(read_settings(config))
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


def _require(*, known: bool, login: str) -> None:
    if not known:
        raise typer.BadParameter(f"there is no account called {login}")


def _tell(login: str, said: str, *, shown: bool, as_json: bool) -> None:
    if as_json:
        say_json({"login": login, **({"password": said} if shown else {})})
    else:
        say(f"{login}  {said}" if shown else f"{login}: done")
