"""The verbs of operators: what stands and why, one delivery in full, what is done about it, targets, the balance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import typer

from hub.cli_talk import first, talk
from hub.cli_verbs import OPERATIONS, Key, verbs
from hub.terminal import Json, say, say_facts, say_json, say_table, tell, tell_rows

OF_DELIVERY: Final = ("key", "target", "state", "code", "stage", "perhaps_taken", "attempts", "next_at")
OF_ONE: Final = (
    "numero",
    "kind",
    "target",
    "step",
    "state",
    "code",
    "hint",
    "stage",
    "perhaps_taken",
    "reference",
    "next_at",
    "updated_at",
    "actions",
)
OF_ATTEMPT: Final = ("attempt", "started_at", "kind", "outcome", "code", "http_status", "late", "fault")
OF_AUDIT: Final = ("at", "kind", "actor", "delivery", "stage", "status", "note")
OF_FINALIZATION: Final = ("state", "reference", "reason", "actor", "seconded_by", "questions", "code", "created_at")
OF_TARGET: Final = (
    "name",
    "connector",
    "breaker",
    "backlog",
    "oldest_at",
    "last_success_at",
    "paused",
    "paused_reason",
)

operations = typer.Typer()
targets = typer.Typer(invoke_without_command=True)
operations.add_typer(verbs)
operations.add_typer(targets, name="targets", rich_help_panel=OPERATIONS)


@operations.command(rich_help_panel=OPERATIONS)
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
    tell_rows(found, "deliveries", OF_DELIVERY, as_json=as_json)


@operations.command(rich_help_panel=OPERATIONS)
def delivery(
    context: typer.Context,
    key: Key,
    *,
    attempt: Annotated[
        int | None, typer.Option(min=1, help="Whose exchange is shown; the last one's if not said.")
    ] = None,
    data: Annotated[bool, typer.Option("--data", help="Print the request's data alone, to be corrected.")] = False,
    as_json: Json = False,
) -> None:
    """Show one delivery: why it stands, what was sent and answered, who did what.

    Example: hub delivery 167046020-1
    """
    found = talk(context, lambda hub: hub.delivery(key))
    if data:
        say_json(found["data"], indent=2)
    elif as_json:
        say_json(found)
    else:
        say_delivery(found, attempt)


@targets.callback()
def list_targets(context: typer.Context, *, as_json: Json = False) -> None:
    """See the targets: paused or not, breaker, what is due; pause or resume one.

    Example: hub targets --json
    """
    if context.invoked_subcommand is None:
        tell_rows(talk(context, lambda hub: hub.targets()), "targets", OF_TARGET, as_json=as_json)


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


@operations.command(rich_help_panel=OPERATIONS)
def balance(context: typer.Context, *, as_json: Json = False) -> None:
    """Hold what was accepted to where it all stands now, kind by kind; exit code 1 when something is missing.

    Example: hub balance
    """
    kinds = read_balance(talk(context, lambda hub: hub.metrics()))
    imbalance = sum(abs(kind["imbalance"]) for kind in kinds)
    if as_json:
        say_json({"imbalance": imbalance, "kinds": kinds})
    else:
        say_table("requests", kinds, [name for name in next(iter(kinds), {}) if any(kind[name] for kind in kinds)])
        say(f"\nimbalance: {imbalance}")
    raise typer.Exit(bool(imbalance))


def read_balance(metrics: str) -> list[dict[str, Any]]:
    """Read a hub's metrics: of each kind, how many were accepted, stand at each status, and are missing.

    Raises BadParameter when they are not a hub's, for no figures must not pass for a balance.
    """
    from prometheus_client.parser import text_string_to_metric_families

    try:
        samples = [sample for family in text_string_to_metric_families(metrics) for sample in family.samples]
    except ValueError:
        samples = []
    if not any(sample.name == "hub_ledger_imbalance" for sample in samples):
        raise typer.BadParameter("there are no metrics of a hub at --url")
    accepted = {one.labels["kind"]: int(one.value) for one in samples if one.name == "hub_ledger_accepted"}
    standing: dict[str, dict[str, int]] = {kind: {} for kind in accepted}
    for one in samples:
        if one.name == "hub_requests":
            standing[one.labels["kind"]][one.labels["status"]] = int(one.value)
    return [
        {"kind": kind, "accepted": accepted[kind], **counts, "imbalance": accepted[kind] - sum(counts.values())}
        for kind, counts in standing.items()
    ]


def say_delivery(found: Mapping[str, Any], attempt: int | None) -> None:
    """Print a delivery for people, with the exchange of one of its attempts; raises BadParameter if there is none."""
    made: Sequence[Mapping[str, Any]] = found["attempts_made"]
    if attempt and attempt > len(made):
        raise typer.BadParameter(f"there is no attempt {attempt}: there were {len(made)}")
    say(found["key"])
    say_facts({name: found[name] for name in OF_ONE})
    if found["finalization"]:
        say()
        say_table("finalization", [found["finalization"]], OF_FINALIZATION)
    say()
    say_table("attempts", [{"attempt": count, **one} for count, one in enumerate(made, 1)], OF_ATTEMPT)
    for one in made[(attempt or len(made)) - 1 :][:1]:
        say(f"\nsent\n{one['sent'] or 'nothing'}")
        say(f"\nanswered\n{one['answered'] or 'nothing'}")
    say()
    say_table("audit", found["audit"], OF_AUDIT)
