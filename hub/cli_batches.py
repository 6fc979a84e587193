"""The verbs of changes of many at once: `hub batch plan`, `start`, `show`, `pause`, `continue`, `stop`, `rows`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from hub.cli_talk import first, talk
from hub.terminal import Json, say, say_facts, say_json, say_table, tell_rows

OF_BATCH: Final = ("id", "verb", "state", "total", "ok", "failed", "skipped", "actor", "created_at", "reason")
OF_ROW: Final = ("request", "delivery", "outlook", "outcome", "detail", "said", "state", "at")
OF_TARGET: Final = ("name", "rows", "seconds")
OF_NOTE: Final = ("rows", "note", "said")
OF_DELIVERIES: Final = frozenset({"retry", "retry_current", "verify", "reject"})

Batch = Annotated[int, typer.Argument(help="The batch's number, which `plan` gives.")]

batches = typer.Typer(
    no_args_is_help=True,
    help="Change many at once: plan it, then start it.\n\nExample: hub batch plan retry --where target=technocarte",
)


@batches.command(name="list")
def list_batches(
    context: typer.Context,
    *,
    state: Annotated[str | None, typer.Option(help="planned, trying, running, paused, stopped or done.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    as_json: Json = False,
) -> None:
    """List batches, the newest first.

    Example: hub batch list --state paused
    """
    found = talk(context, lambda hub: first(hub.batches(state=state, limit=min(limit, 100)), limit))
    tell_rows(found if as_json else [{**one, **one["outcomes"]} for one in found], "batches", OF_BATCH, as_json=as_json)


@batches.command()
def plan(  # noqa: PLR0913  # its options are its parameters
    context: typer.Context,
    verb: Annotated[str, typer.Argument(help="retry, retry_current, verify, reject, assign, decide or cancel.")],
    subjects: Annotated[
        list[str] | None, typer.Argument(help="Keys of deliveries, or numbers of requests to assign, decide or cancel.")
    ] = None,
    *,
    where: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VALUE instead: all that match, as in `hub deliveries` or `hub list`; may be repeated."),
    ] = None,
    owner: Annotated[str, typer.Option(help="Who is to see to the requests, for assign.")] = "",
    accept: Annotated[bool, typer.Option("--accept/--refuse", help="What is decided, for decide.")] = False,
    reason: Annotated[str, typer.Option(help="Why each is refused, or rejected.")] = "",
    as_json: Json = False,
) -> None:
    """Plan a change of many: what would be done to which, how long it takes, and why some are impossible.

    Example: hub batch plan retry --where target=technocarte --where code=full
    """
    said: dict[str, Any] = {"owner": owner, "accept": accept, "reason": reason}
    if where:
        said["filter"] = read_filter(where)
    else:
        said["deliveries" if verb in OF_DELIVERIES else "requests"] = subjects or []
    tell_batch(talk(context, lambda hub: hub.plan_batch(verb, **said)), as_json=as_json)


@batches.command()
def start(
    context: typer.Context,
    batch: Batch,
    reason: Annotated[str, typer.Option(help="Why, for whoever reads the audit.")],
    *,
    as_json: Json = False,
) -> None:
    """Carry a plan out: three rows first, then, if they arrive, the others.

    Example: hub batch start 12 --reason "Technocarte répond de nouveau"
    """
    tell_batch(talk(context, lambda hub: hub.start_batch(batch, reason)), as_json=as_json)


@batches.command()
def show(context: typer.Context, batch: Batch, *, as_json: Json = False) -> None:
    """Show a batch: what its plan foresaw, and what came of its rows so far.

    Example: hub batch show 12
    """
    tell_batch(talk(context, lambda hub: hub.batch(batch)), as_json=as_json)


@batches.command()
def pause(context: typer.Context, batch: Batch, *, as_json: Json = False) -> None:
    """Begin no more rows for now.

    Example: hub batch pause 12
    """
    tell_batch(talk(context, lambda hub: hub.steer_batch(batch, "pause")), as_json=as_json)


@batches.command(name="continue")
def go_on(context: typer.Context, batch: Batch, *, as_json: Json = False) -> None:
    """Go on after a pause, or although one of the first rows failed.

    Example: hub batch continue 12
    """
    tell_batch(talk(context, lambda hub: hub.steer_batch(batch, "continue")), as_json=as_json)


@batches.command()
def stop(context: typer.Context, batch: Batch, *, as_json: Json = False) -> None:
    """End a batch: what was not begun is left as it is.

    Example: hub batch stop 12
    """
    tell_batch(talk(context, lambda hub: hub.steer_batch(batch, "stop")), as_json=as_json)


@batches.command()
def rows(  # noqa: PLR0913  # its options are its parameters
    context: typer.Context,
    batch: Batch,
    *,
    outcome: Annotated[str | None, typer.Option(help="waiting, started, ok, failed or skipped.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Every row, as CSV on standard output.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 100,
    as_json: Json = False,
) -> None:
    """List what became of each row.

    Example: hub batch rows 12 --csv > lot-12.csv
    """
    if as_csv:
        say(talk(context, lambda hub: hub.batch_csv(batch)).rstrip())
        return
    search = {"outcome": outcome, "limit": min(limit, 1000)}
    found = talk(context, lambda hub: first(hub.batch_rows(batch, **search), limit))
    tell_rows(found, "rows", OF_ROW, as_json=as_json)


def read_filter(where: list[str]) -> dict[str, Any]:
    """Read criteria; `state` may be given several times. Raises BadParameter."""
    said: dict[str, Any] = {}
    for one in where:
        name, equals, value = one.partition("=")
        if not equals:
            raise typer.BadParameter(f"{one!r} is not NAME=VALUE")
        if name == "state":
            said.setdefault(name, []).append(value)
        else:
            said[name] = value
    return said


def tell_batch(batch: Mapping[str, Any], *, as_json: bool) -> None:
    """Print a batch: its figures, then what its plan foresaw."""
    if as_json:
        say_json(batch)
        return
    plan_of = batch["plan"]
    same = ("id", "verb", "state", "detail", "reason", "criteria", "actor", "created_at", "started_at", "ended_at")
    figures = {name: plan_of[name] or "" for name in ("seconds", "deadlines", "overdue", "left", "unknown")}
    say_facts({**{name: batch[name] for name in same}, **figures})
    say_table("\noutcomes", [{"total": batch["total"], **batch["outcomes"]}], ("total", *batch["outcomes"]))
    say_table("\nplan", [plan_of["outlooks"]], tuple(plan_of["outlooks"]))
    for title, columns in (("targets", OF_TARGET), ("notes", OF_NOTE), ("differences", OF_NOTE)):
        if plan_of[title]:
            say_table(f"\n{title}", plan_of[title], columns)
