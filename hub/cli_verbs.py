"""The verbs by which operators act: on one delivery, on who sees to a request, on what is known of a cause."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from hub.cli_talk import read_object, talk
from hub.terminal import Json, say, say_facts, say_json, say_table, tell

OPERATIONS: Final = "Operations"

OF_PREVIEW: Final = ("key", "legal", "sentence", "version", "current")
OF_CHANGE: Final = ("element", "cause", "before", "after")

Key = Annotated[str, typer.Argument(help="The delivery's key: 167046020-1.")]
Why = Annotated[str, typer.Option(help="Why, for whoever reads the audit.")]

verbs = typer.Typer()


@verbs.command(rich_help_panel=OPERATIONS)
def retry(  # noqa: PLR0913  # its options are its parameters
    context: typer.Context,
    key: Key,
    *,
    data: Annotated[
        typer.FileBinaryRead | None,
        typer.Option(help="The request's data, corrected and whole; - reads standard input."),
    ] = None,
    sure: Annotated[bool, typer.Option("--sure", help="You know that the target did not take it.")] = False,
    current: Annotated[
        bool, typer.Option("--current", help="The request goes by the current version of its kind from now on.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Try a delivery again; one that may have been taken is asked about first, unless you are --sure.

    Example: hub delivery 167046020-1 --data > data.json, correct it, hub retry 167046020-1 --data data.json
    """
    corrected = read_object(data.read()) if data else None
    found = talk(context, lambda hub: hub.retry(key, sure=sure, data=corrected, current=current))
    tell_delivery(found, as_json=as_json)


@verbs.command(rich_help_panel=OPERATIONS)
def preview(context: typer.Context, key: Key, *, as_json: Json = False) -> None:
    """See what hub retry --current would change in a delivery's message; nothing is done.

    Example: hub preview 167046020-1
    """
    found = talk(context, lambda hub: hub.preview(key))
    if as_json:
        say_json(found)
        return
    say_facts({name: found[name] for name in OF_PREVIEW})
    say()
    say_table("differences", found["differences"], OF_CHANGE)


@verbs.command(rich_help_panel=OPERATIONS)
def verify(context: typer.Context, key: Key, *, as_json: Json = False) -> None:
    """Ask the target whether it has a delivery; nothing is sent, whatever it answers.

    Example: hub verify 167046020-1
    """
    tell_delivery(talk(context, lambda hub: hub.verify(key)), as_json=as_json)


@verbs.command(rich_help_panel=OPERATIONS)
def reroute(
    context: typer.Context,
    key: Key,
    to: Annotated[str, typer.Option(help="Another target of the same connector; hub delivery names them.")],
    *,
    as_json: Json = False,
) -> None:
    """Send a delivery to another target, where it stays; the first one surely did not take it.

    Example: hub reroute 167046020-1 --to esii_annexe
    """
    tell_delivery(talk(context, lambda hub: hub.reroute(key, to)), as_json=as_json)


@verbs.command(rich_help_panel=OPERATIONS)
def reject(context: typer.Context, key: Key, reason: Why, *, as_json: Json = False) -> None:
    """End a delivery that no target has, and refuse its request.

    Example: hub reject 167046020-1 --reason "Dossier hors de la commune"
    """
    tell_delivery(talk(context, lambda hub: hub.reject(key, reason)), as_json=as_json)


@verbs.command(rich_help_panel=OPERATIONS)
def finalize(  # noqa: PLR0913  # its options are its parameters
    context: typer.Context,
    key: Key,
    reason: Annotated[str, typer.Option(help="Why it is closed by hand.")],
    reference: Annotated[str, typer.Option(help="The number the back office gave it.")],
    *,
    comment: Annotated[str, typer.Option(help="What else there is to say.")] = "",
    as_json: Json = False,
) -> None:
    """Close a delivery by hand, once it is in the back office; a payment's is only proposed, and somebody seconds it.

    Example: hub finalize 167046020-1 --reason "Saisie au guichet" --reference TC-20931
    """
    tell_delivery(talk(context, lambda hub: hub.finalize(key, reason, reference, comment)), as_json=as_json)


@verbs.command(rich_help_panel=OPERATIONS)
def second(context: typer.Context, key: Key, *, as_json: Json = False) -> None:
    """Agree to what somebody else proposed to close by hand.

    Example: hub second 167046020-1
    """
    tell_delivery(talk(context, lambda hub: hub.second(key)), as_json=as_json)


@verbs.command(rich_help_panel=OPERATIONS)
def reopen(context: typer.Context, key: Key, reason: Why, *, as_json: Json = False) -> None:
    """Take up again what was closed by hand and is not confirmed, or withdraw what was proposed.

    Example: hub reopen 167046020-1 --reason "La référence est celle d'un autre dossier"
    """
    tell_delivery(talk(context, lambda hub: hub.reopen(key, reason)), as_json=as_json)


@verbs.command(rich_help_panel=OPERATIONS)
def assign(
    context: typer.Context,
    number: Annotated[str, typer.Argument(help="The request's nine digits.")],
    to: Annotated[str, typer.Option(help="Who sees to it; nobody if not said.")] = "",
    *,
    as_json: Json = False,
) -> None:
    """Say who sees to a request.

    Example: hub assign 167046020 --to lmartin
    """
    found = talk(context, lambda hub: hub.assign(number, to))
    tell(found, f"{found['number']}  {to or 'nobody'}", as_json=as_json)


@verbs.command(rich_help_panel=OPERATIONS)
def note(  # noqa: PLR0913  # its options are its parameters
    context: typer.Context,
    target: Annotated[str, typer.Argument(help="The target of the cause.")],
    code: Annotated[str, typer.Argument(help="Its code.")],
    stage: Annotated[str, typer.Argument(help="Its stage.")],
    *,
    owner: Annotated[str, typer.Option(help="Who sees to it.")] = "",
    text: Annotated[str, typer.Option("--note", help="What is known of it.")] = "",
    as_json: Json = False,
) -> None:
    """Say who sees to a cause of failures and what is known of it; neither forgets what was said.

    Example: hub note technocarte full "Erreur Technocarte" --owner lmartin --note "Éditeur prévenu"
    """
    cause = {"target": target, "code": code, "stage": stage}
    found = talk(context, lambda hub: hub.note(cause, owner=owner, note=text))
    tell(found, f"{target} {code}: {owner or 'nobody'}", as_json=as_json)


def tell_delivery(delivery: Mapping[str, Any], *, as_json: bool) -> None:
    """Print where a delivery stands after what was asked."""
    closing = delivery["finalization"]
    tell(delivery, f"{delivery['key']}  {delivery['state']}{_proof_of(closing)}", as_json=as_json)


def _proof_of(closing: Mapping[str, Any] | None) -> str:
    """Say what is particular about the proof of a delivery that was closed by hand."""
    if closing and closing["state"] == "proposed":
        return "  (proposed)"
    if closing and closing["state"] == "unconfirmable" and closing["code"] == "said_again":
        return "  (its target denied this: it stands on your word, and is not asked for again)"
    return ""
