"""The `hub` command: reaching a hub, and the verbs of requests.

Those of operations are in `cli_operations`, those that need no running hub in `cli_local`.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Annotated, Final

import typer

from hub.cli_accounts import accounts
from hub.cli_audit import audit
from hub.cli_batches import batches
from hub.cli_check import checks
from hub.cli_config import configuration
from hub.cli_doctor import doctors
from hub.cli_drift import drifts
from hub.cli_editor import editors
from hub.cli_exam import exams
from hub.cli_forms import reloads
from hub.cli_gdpr import gdpr
from hub.cli_keys import keys
from hub.cli_local import INSTALLATION, local
from hub.cli_new import new
from hub.cli_operations import operations
from hub.cli_published import published
from hub.cli_regression import regressions
from hub.cli_replay import replays
from hub.cli_security import security
from hub.cli_talk import COULD_NOT, first, read_object, talk
from hub.cli_trial import trials
from hub.cli_vault import vault
from hub.cli_verbs import OPERATIONS
from hub.errors import HubError
from hub.terminal import Json, note, say, say_json, say_table, tell, tell_rows

REQUESTS: Final = "Requests"

OF_REQUEST: Final = ("numero", "kind", "status", "stage", "awaiting", "external_reference", "received_at")

Number = Annotated[str, typer.Argument(help="Nine digits, with or without spaces.")]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="The hub that carries a city's requests home. Start with: hub up --sandboxes",
)


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
    say(f"{found['status']}  {found['stage']}\n« {found['message']} »\n")
    say_table("stages", found["timeline"], ("at", "stage", "status"))
    say()
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
    tell_rows(found, "requests", OF_REQUEST, as_json=as_json)


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


for verbs in (
    operations,
    local,
    checks,
    doctors,
    trials,
    regressions,
    exams,
    drifts,
    editors,
    published,
    replays,
    reloads,
):
    app.add_typer(verbs)
app.add_typer(batches, name="batch", rich_help_panel=OPERATIONS)
app.add_typer(new, name="new", rich_help_panel=INSTALLATION)
app.add_typer(accounts, name="accounts", rich_help_panel=INSTALLATION)
app.add_typer(configuration, name="config", rich_help_panel=INSTALLATION)
app.add_typer(security, name="security", rich_help_panel=INSTALLATION)
app.add_typer(keys, name="keys", rich_help_panel=INSTALLATION)
app.add_typer(audit, name="audit", rich_help_panel=INSTALLATION)
app.add_typer(vault, name="vault", rich_help_panel=INSTALLATION)
app.add_typer(gdpr, name="gdpr", rich_help_panel=INSTALLATION)
