"""The `hub` command: the verbs that talk to a running hub; those that need none are in `cli_local`."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hub.cli_local import local
from hub.errors import HubError
from hub.terminal import Json, note, say, say_json, say_table

if TYPE_CHECKING:
    from hub.client import HubClient

REQUESTS: Final = "Requests"
OPERATIONS: Final = "Operations"
COULD_NOT: Final = 2

OF_REQUEST: Final = ("numero", "kind", "status", "stage", "awaiting", "external_reference", "received_at")
OF_DELIVERY: Final = ("key", "target", "step", "state", "code", "stage", "perhaps_taken", "attempts", "next_at")
OF_TARGET: Final = (
    "name",
    "connector",
    "paused",
    "paused_reason",
    "breaker",
    "backlog",
    "oldest_at",
    "last_success_at",
)

Number = Annotated[str, typer.Argument(help="Nine digits, with or without spaces.")]
Key = Annotated[str, typer.Argument(help="The delivery's key: 167046020-1.")]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="The hub that carries a city's requests home. Start with: hub up --sandboxes",
)
targets = typer.Typer(invoke_without_command=True, help="See the targets; pause or resume one.")
app.add_typer(targets, name="targets", rich_help_panel=OPERATIONS)


def main() -> None:
    """Run a verb; what could not be done is one line on standard error, and exit code 2."""
    try:
        app()
    except (HubError, OSError) as error:
        note(f"hub: {error}")
        sys.exit(COULD_NOT)


@app.callback()
def reach(
    context: typer.Context,
    url: Annotated[str, typer.Option(envvar="HUB_URL", help="Where the hub runs.")] = "http://127.0.0.1:8080",
    key: Annotated[str, typer.Option(envvar="HUB_KEY", help="The API key to speak with.", show_default=False)] = "",
) -> None:
    """Remember which hub to talk to, and with which key."""
    context.obj = (url, key)


@app.command(rich_help_panel=REQUESTS)
def submit(
    context: typer.Context,
    file: Annotated[typer.FileBinaryRead, typer.Argument(help="A request in JSON; - reads standard input.")],
    kind: Annotated[str | None, typer.Option(help="Submit it as this kind.")] = None,
    idempotency_key: Annotated[str | None, typer.Option(help="By default the request's own SHA-256.")] = None,
    *,
    as_json: Json = False,
) -> None:
    """Submit a request, and print its number; submitting the same again gives the same number.

    Example: hub submit routes/etat_civil_naissance/samples/copie_pour_un_mariage.json
    """
    submission = read_object(file.read()) | ({"kind": kind} if kind else {})
    key = idempotency_key or hashlib.sha256(json.dumps(submission, sort_keys=True).encode()).hexdigest()
    receipt = talk(context, lambda hub: hub.submit(submission, key))
    tell(receipt, f"{receipt['numero']}  {receipt['stage']}", as_json=as_json)


@app.command(rich_help_panel=REQUESTS)
def show(context: typer.Context, number: Number, *, as_json: Json = False) -> None:
    """Show a request: where it stands, what it went through.

    Example: hub show 167046020
    """
    found = talk(context, lambda hub: hub.request(number))
    if as_json:
        say_json(found)
        return
    say(f"{found['numero']}  {found['title']}  ({found['kind']})")
    say(f"{found['status']}  {found['stage']}\n« {found['message']} »")
    say_table("stages", found["timeline"], ("at", "stage", "status"))
    say_table("steps", found["steps"], ("step", "item", "status", "at"))


@app.command(name="list", rich_help_panel=REQUESTS)
def list_requests(  # noqa: PLR0913  # its options are its parameters
    context: typer.Context,
    q: Annotated[str | None, typer.Argument(help="A number, reference, name, e-mail or phone.")] = None,
    *,
    kind: Annotated[str | None, typer.Option(help="Only this kind.")] = None,
    status: Annotated[str | None, typer.Option(help="in_progress, waiting, uncertain, parked, done…")] = None,
    stage: Annotated[str | None, typer.Option(help="Only at this stage, word for word.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    as_json: Json = False,
) -> None:
    """List requests, the newest first.

    Example: hub list --kind periscolaire.renouvellement --status waiting
    """
    search = {"q": q, "kind": kind, "status": status, "stage": stage, "limit": min(limit, 100)}
    found = talk(context, lambda hub: first(hub.requests(**search), limit))
    rows(found, "requests", OF_REQUEST, as_json=as_json)


@app.command(rich_help_panel=REQUESTS)
def decide(
    context: typer.Context,
    number: Number,
    *,
    accept: Annotated[bool, typer.Option("--accept/--refuse", help="Let it go on, or end it.")],
    reason: Annotated[str, typer.Option(help="Why it is refused: one of those `hub show` lists.")] = "",
    as_json: Json = False,
) -> None:
    """Accept or refuse a request that awaits a person.

    Example: hub decide 167046020 --refuse --reason "Assurance invalide"
    """
    said = talk(context, lambda hub: hub.decide(number, accept=accept, reason=reason))
    tell(said, "accepted" if accept else f"refused: {reason}", as_json=as_json)


@app.command(rich_help_panel=REQUESTS)
def cancel(
    context: typer.Context,
    number: Number,
    reason: Annotated[str, typer.Option(help="Why.")],
    *,
    as_json: Json = False,
) -> None:
    """Cancel a request that no target has taken.

    Example: hub cancel 167046020 --reason "Déposée deux fois"
    """
    tell(talk(context, lambda hub: hub.cancel(number, reason)), "cancelled", as_json=as_json)


@app.command(rich_help_panel=OPERATIONS)
def deliveries(  # noqa: PLR0913  # its options are its parameters
    context: typer.Context,
    *,
    state: Annotated[list[str] | None, typer.Option(help="parked and uncertain if not said; may be repeated.")] = None,
    target: Annotated[str | None, typer.Option(help="Only this target's.")] = None,
    code: Annotated[str | None, typer.Option(help="Only those that stand for this cause.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    as_json: Json = False,
) -> None:
    """List the deliveries that need somebody, and why.

    Example: hub deliveries --state parked --target technocarte
    """
    search = {"state": state, "target": target, "code": code, "limit": min(limit, 100)}
    found = talk(context, lambda hub: first(hub.deliveries(**search), limit))
    rows(found, "deliveries", OF_DELIVERY, as_json=as_json)


@app.command(rich_help_panel=OPERATIONS)
def retry(
    context: typer.Context,
    key: Key,
    *,
    sure: Annotated[bool, typer.Option("--sure", help="You know that the target did not take it.")] = False,
    as_json: Json = False,
) -> None:
    """Try a delivery again; one that may have been taken is asked about first, unless you are --sure.

    Example: hub retry 167046020-1
    """
    tell_delivery(talk(context, lambda hub: hub.retry(key, sure=sure)), as_json=as_json)


@app.command(rich_help_panel=OPERATIONS)
def verify(context: typer.Context, key: Key, *, as_json: Json = False) -> None:
    """Ask the target whether it has a delivery; nothing is sent, whatever it answers.

    Example: hub verify 167046020-1
    """
    tell_delivery(talk(context, lambda hub: hub.verify(key)), as_json=as_json)


@app.command(rich_help_panel=OPERATIONS)
def finalize(
    context: typer.Context,
    key: Key,
    reason: Annotated[str, typer.Option(help="Why it is closed by hand.")],
    reference: Annotated[str, typer.Option(help="The number the back office gave it.")],
    *,
    as_json: Json = False,
) -> None:
    """Close a delivery by hand, once it is in the back office.

    Example: hub finalize 167046020-1 --reason "Saisie au guichet" --reference TC-20931
    """
    tell_delivery(talk(context, lambda hub: hub.finalize(key, reason, reference)), as_json=as_json)


@targets.callback()
def list_targets(context: typer.Context, *, as_json: Json = False) -> None:
    """See the targets: switch, breaker, what is due; `pause` or `resume` one.

    Example: hub targets pause technocarte --reason "Maintenance"
    """
    if context.invoked_subcommand is None:
        rows(talk(context, lambda hub: hub.targets()), "targets", OF_TARGET, as_json=as_json)


@targets.command()
def pause(
    context: typer.Context,
    name: str,
    reason: Annotated[str, typer.Option(help="Why, for whoever wonders.")],
    *,
    as_json: Json = False,
) -> None:
    """Stop speaking to a target: what is due waits.

    Example: hub targets pause technocarte --reason "Maintenance"
    """
    tell(talk(context, lambda hub: hub.pause(name, reason)), f"{name}: paused", as_json=as_json)


@targets.command()
def resume(context: typer.Context, name: str, *, as_json: Json = False) -> None:
    """Speak to a target again.

    Example: hub targets resume technocarte
    """
    tell(talk(context, lambda hub: hub.resume(name)), f"{name}: resumed", as_json=as_json)


def talk(context: typer.Context, say_what: Callable[[HubClient], Awaitable[Any]]) -> Any:
    """Talk to the hub; what it refuses, or that it is not there, goes to standard error, and exit code 2."""
    from hub.client import HubClient, RefusalError, UnreachableError

    async def conversation() -> Any:
        async with HubClient(*context.find_root().obj) as hub:
            return await say_what(hub)

    try:
        return asyncio.run(conversation())
    except (RefusalError, UnreachableError) as error:
        note(str(error))
        raise typer.Exit(COULD_NOT) from None


def read_object(content: bytes) -> dict[str, Any]:
    """Read a JSON object; raises BadParameter with the place where it is none."""
    try:
        said = json.loads(content)
    except ValueError as error:
        raise typer.BadParameter(f"this is no JSON: {error}") from None
    if not isinstance(said, dict):
        raise typer.BadParameter("a request is a JSON object")
    return said


async def first(found: AsyncIterator[Any], most: int) -> list[Any]:
    """Take the first few of what is found."""
    taken: list[Any] = []
    async for one in found:
        taken.append(one)
        if len(taken) == most:
            break
    return taken


def tell(answer: Any, said: str, *, as_json: bool) -> None:
    """Print an answer, or what it amounts to."""
    if as_json:
        say_json(answer)
    else:
        say(said)


def tell_delivery(delivery: Any, *, as_json: bool) -> None:
    """Print where a delivery stands after what was asked."""
    tell(delivery, f"{delivery['key']}  {delivery['state']}", as_json=as_json)


def rows(found: list[Any], title: str, columns: tuple[str, ...], *, as_json: bool) -> None:
    """Print a list."""
    if as_json:
        say_json(found)
    else:
        say_table(title, found, columns)


app.add_typer(local)
