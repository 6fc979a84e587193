"""The verb that replays years of requests through a hub of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from hub.cli_local import START
from hub.settings import HOME
from hub.terminal import Json, say, say_json, say_table

VOLUMES: Final = HOME / "tests/data/volumes.csv"
"""Ten years of one city."""

replays = typer.Typer()


@replays.command(rich_help_panel=START)
def replay(  # noqa: PLR0913  # its options are its parameters
    *,
    volumes: Annotated[
        Path, typer.Option(exists=True, help="A CSV file: kind, year, requests; or a column a year.")
    ] = VOLUMES,
    years: Annotated[str, typer.Option(help="Which years of it.")] = "2013-2022",
    sample: Annotated[str, typer.Option(help="How much of it: 1%, 0.01.")] = "100%",
    seed: Annotated[int, typer.Option(help="The same seed gives the same requests.")] = 2026,
    resume: Annotated[
        Path | None,
        typer.Option(help="The folder to work in, and to go on in after a stop; a passing one if not said."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Replay years of requests, with faults and people; exit code 0 when nothing was lost, doubled or out of balance.

    Example: hub replay --volumes tests/data/volumes.csv --years 2013-2022 --sample 1% --json
    """
    from hub.replay.run import Plan, run_replay
    from hub.replay.volumes import read_share, read_years

    try:
        plan = Plan(volumes, read_years(years), read_share(sample), seed, resume)
    except (ValueError, ZeroDivisionError):
        raise typer.BadParameter("expected years as 2013-2022, and a sample as 1% or 0.01") from None
    account = run_replay(plan)
    if as_json:
        say_json(account.as_json())
    else:
        _show(account)
    raise typer.Exit(not account.holds)


def _show(account: Any) -> None:
    """Print the account by kind, by target, and its last line."""
    for title, found in (("kind", account.by_kind), ("target", account.by_target)):
        columns = sorted({name for counts in found.values() for name in counts})
        rows = [
            {title: name, **{column: counts.get(column, 0) for column in columns}} for name, counts in found.items()
        ]
        say_table(f"by {title}", rows, (title, *columns))
    for name, ones in (("lost", account.lost_ones), ("doubled", account.doubled_ones)):
        for one in ones:
            say(f"{name}: {one}")
    for name, weight in account.memory.items():
        say(f"memory of the {name}: {weight['first']} MB at the first tenth, {weight['last']} at the last")
    said = account.as_json()
    names = ("accepted", "delivered", "refused", "finalized", "cancelled", "lost", "doubled", "imbalance", "seconds")
    say("replay: " + " ".join(f"{name}={said[name]}" for name in names))
