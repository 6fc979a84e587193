"""The verbs of forms, and of the catalogue that a running hub goes by."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, Final

import typer

from hub.cli_local import INSTALLATION, Config, read_installation, read_settings
from hub.cli_talk import COULD_NOT, read_object
from hub.terminal import Json, note, say, say_json, say_table, tell_rows

OF_FORM: Final = ("code", "title", "kind", "version", "service", "retired")
OF_CHANGE: Final = ("field", "title", "change", "breaking")
RELOAD: Final = "/v1/operations/reload"

forms = typer.Typer(
    help="Make kinds of the forms of a form generator.\n\nExample: hub forms list", no_args_is_help=True
)
reloads = typer.Typer()
reloads.add_typer(forms, name="forms", rich_help_panel=INSTALLATION)

File = Annotated[typer.FileBinaryRead, typer.Argument(help="A form in JSON; - reads standard input.")]
Name = Annotated[str, typer.Argument(help="The form's code.")]


@reloads.command(rich_help_panel=INSTALLATION)
def reload(context: typer.Context, *, as_json: Json = False) -> None:
    """Have the hub take changed mappings, routes, kinds and queries now; exit code 1 when it refuses them.

    Example: hub reload --json
    """
    state = _ask(*context.find_root().obj)
    if as_json:
        say_json(state)
    elif state["findings"]:
        note(f"refused: the hub goes on with version {state['version']}")
        for found in state["findings"]:
            say(f"{found['file']}:{found.get('line') or 1}: {found['message']}")
    else:
        say(f"version {state['version']}, since {state['since']}")
    raise typer.Exit(bool(state["findings"]))


@forms.command()
def install(context: typer.Context, file: File, config: Config = None, *, as_json: Json = False) -> None:
    """Make a form a kind, or a new version of it; a running hub takes it by itself, or at once with HUB_KEY.

    Example: hub forms install form.json -c hub.yaml
    """
    from hub.forms.install import install as put

    said, settings = read_object(file.read()), read_installation(config)
    done = _or_findings(lambda: put(_shelf(settings), said, settings.places), as_json=as_json)
    taken = _hand_over(context)
    if as_json:
        say_json({**asdict(done), "taken": taken})
        raise typer.Exit(taken is False)
    say(f"{done.kind}  version {done.version}" if done.is_new else f"{done.kind}  version {done.version}, as it was")
    say(f"error step: « {done.error_step} »")
    if done.changes:
        _say_changes(list(map(asdict, done.changes)))
    note(_when(settings, taken))
    raise typer.Exit(taken is False)


@forms.command(name="list")
def list_forms(config: Config = None, *, as_json: Json = False) -> None:
    """List the forms of this installation, those that are retired too.

    Example: hub forms list
    """
    from hub.forms.install import listed

    rows = [asdict(one) for one in listed(_shelf(read_settings(config)))]
    tell_rows(rows, "forms", OF_FORM, as_json=as_json)


@forms.command()
def export(
    name: Name,
    config: Config = None,
    *,
    version: Annotated[int | None, typer.Option(help="Of which version; the one in use if not said.")] = None,
) -> None:
    """Print a form as it came, in JSON.

    Example: hub forms export fete_des_voisins --version 1
    """
    shelf = _shelf(read_settings(config))
    wanted = version or shelf.latest(name)
    if wanted not in shelf.versions(name):
        known = ", ".join(map(str, shelf.versions(name))) or f"of {', '.join(shelf.codes) or 'no form'}"
        raise typer.BadParameter(f"there is no such version of {name}: {known}")
    say_json(shelf.read(name, wanted), indent=2)


@forms.command()
def diff(name: Name, file: File, config: Config = None, *, as_json: Json = False) -> None:
    """Compare a form with its version in use, field by field; exit code 1 when something breaks front ends.

    Example: hub forms diff fete_des_voisins form.json
    """
    from hub.forms.install import differences

    said = read_object(file.read())
    changes = _or_findings(lambda: differences(_shelf(read_settings(config)), name, said), as_json=as_json)
    rows = [asdict(change) for change in changes]
    if as_json:
        say_json(rows)
    else:
        _say_changes(rows)
    raise typer.Exit(any(change.breaking for change in changes))


@forms.command()
def retire(context: typer.Context, name: Name, config: Config = None, *, as_json: Json = False) -> None:
    """Take no new requests of a form; those under way go on.

    Example: hub forms retire fete_des_voisins
    """
    from hub.forms.install import retire as put_away

    settings = read_installation(config)
    message = _or_findings(lambda: put_away(_shelf(settings), name), as_json=as_json)
    taken = _hand_over(context)
    if as_json:
        say_json({"code": name, "message": message, "taken": taken})
    else:
        say(f"whoever still asks for it reads: {message}")
        note(_when(settings, taken))
    raise typer.Exit(taken is False)


def _shelf(settings: Any) -> Any:
    from hub.forms.shelf import Shelf

    return Shelf(settings.forms)


def _or_findings(work: Any, *, as_json: bool) -> Any:
    """Do it, or say why it cannot be done, and exit with 1."""
    from hub.forms.model import FormError

    try:
        return work()
    except FormError as error:
        if as_json:
            say_json({"findings": [asdict(one) for one in error.findings]})
        for one in error.findings if not as_json else ():
            say(str(one))
        note("nothing was changed")
        raise typer.Exit(1) from None


def _say_changes(rows: Sequence[dict[str, Any]]) -> None:
    say_table("changes", rows, OF_CHANGE)


def _hand_over(context: typer.Context) -> bool | None:
    """Have the hub at HUB_URL take it now, if there is a key to ask with; None when none did."""
    url, key = context.find_root().obj or ("", os.environ.get("HUB_KEY", ""))
    if not key:
        return None
    try:
        state = _ask(url, key)
    except typer.Exit:
        return None
    for found in state["findings"]:
        note(f"the running hub refuses it: {found['file']}: {found['message']}")
    return not state["findings"]


def _when(settings: Any, taken: bool | None) -> str:  # noqa: FBT001  # what became of it
    if taken is None:
        seconds = 2 * settings.reload_every.total_seconds()
        return f"a running hub takes it within {seconds:g} s" if seconds else "a running hub takes it at `hub reload`"
    return "the running hub has taken it" if taken else "the running hub goes on as before"


def _ask(url: str, key: str) -> dict[str, Any]:
    """Have a running hub look at its files; what it refuses to answer ends with exit code 2."""
    import asyncio

    from hub.client import HubClient, RefusalError, UnreachableError

    class Reloading(HubClient):
        async def reload(self) -> Any:
            return await self._call("POST", RELOAD, {})

    async def conversation() -> Any:
        async with Reloading(url, key) as hub:
            return await hub.reload()

    try:
        state: dict[str, Any] = asyncio.run(conversation())
    except (RefusalError, UnreachableError) as error:
        note(str(error))
        raise typer.Exit(COULD_NOT) from None
    return state
