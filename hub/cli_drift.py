"""The verb that compares the live contracts of targets with those that the hub goes by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hub.cli_local import INSTALLATION, Config, read_installation
from hub.cli_talk import COULD_NOT
from hub.terminal import Json, note, say, say_json

if TYPE_CHECKING:
    from hub.drift.comparison import Comparison, Report, Watched

drifts = typer.Typer()

MOST_SHOWN: Final = 40
"""Differences of one contract that people are shown; `--json` has them all."""


@drifts.command(rich_help_panel=INSTALLATION)
def drift(
    names: Annotated[list[str] | None, typer.Argument(help="Only these targets.", metavar="[TARGET]...")] = None,
    config: Config = None,
    *,
    accept: Annotated[str | None, typer.Option(help="Go by what this target shows now.")] = None,
    reason: Annotated[str, typer.Option(help="With --accept: why.")] = "",
    as_json: Json = False,
) -> None:
    """Compare the contracts that targets show now with those that the hub goes by; say which mapping breaks on what.

    Exit code 1 when a contract changed, 2 when one could not be compared.

    Example: hub drift logitud --json
    """
    if accept is not None:
        _accept(accept, reason, config, as_json=as_json)
        return
    reports = _compare(names or [], config)
    if as_json:
        say_json([one.as_values() for one in reports])
    else:
        _tell(reports)
    raise typer.Exit(_code(reports))


def _compare(names: Sequence[str], config: Any) -> list[Report]:
    from hub.drift.comparison import compare
    from hub.drift.comparison import note as keep
    from hub.drift.shelf import Shelf
    from hub.processes import run

    settings = read_installation(config)
    catalogue, chosen = _chosen(names, settings)
    shelf = Shelf(settings.contracts)

    async def compare_them() -> list[Report]:
        reports = []
        for target in chosen:
            reports.append(await compare(target, shelf, catalogue, settings.places))
            keep(shelf, reports[-1])
        return reports

    return run(compare_them())


def _accept(name: str, reason: str, config: Any, *, as_json: bool) -> None:
    from hub.drift.comparison import accept, compare
    from hub.drift.comparison import note as keep
    from hub.drift.documents import UnfitError
    from hub.drift.shelf import Shelf
    from hub.processes import run

    if not reason.strip():
        raise typer.BadParameter('say why: --accept TARGET --reason "…"')
    settings = read_installation(config)
    catalogue, [target] = _chosen([name], settings)
    shelf = Shelf(settings.contracts)

    async def accept_it() -> list[str]:
        kept = await accept(target, shelf, reason.strip())
        keep(shelf, await compare(target, shelf, catalogue, settings.places))
        return kept

    try:
        kept = run(accept_it())
    except UnfitError as error:
        note(f"{name}: nothing is accepted, for its contract cannot be read ({error.code})")
        raise typer.Exit(COULD_NOT) from None
    if as_json:
        say_json({"target": name, "accepted": kept, "reason": reason.strip()})
    else:
        say(f"{name}: the hub goes by what it shows now ({', '.join(kept)})")


def _chosen(names: Sequence[str], settings: Any) -> tuple[Any, list[Watched]]:
    """Give the catalogue, and the targets that are meant: all that show a contract, when none is named."""
    from hub.catalogue import read_catalogue
    from hub.drift.comparison import watched

    catalogue = read_catalogue(settings)
    known = watched(catalogue, settings.targets)
    for name in names:
        if name not in known:
            listed = ", ".join(known) or "none"
            raise typer.BadParameter(f"no target {name!r} shows a contract; those that do: {listed}")
    return catalogue, [known[name] for name in names or known]


def _tell(reports: Sequence[Report]) -> None:
    for report in reports:
        for one in report.comparisons:
            _tell_one(report.target, one)
    if not reports:
        note("no target of these settings shows a contract")


def _tell_one(target: str, one: Comparison) -> None:
    told = f" ({one.code})" if one.code else f", beside {one.against}" if one.against else ""
    say(f"{target}  {one.contract}  {one.standing}{told}")
    for broken in one.breaks:
        say(f"  {broken}")
    for difference in one.differences[:MOST_SHOWN]:
        say(f"  {difference}")
    if len(one.differences) > MOST_SHOWN:
        say(f"  … and {len(one.differences) - MOST_SHOWN} more: --json has them")


def _code(reports: Sequence[Report]) -> int:
    from hub.drift.comparison import Standing

    stands = {report.standing for report in reports}
    if Standing.CHANGED in stands:
        return 1
    return COULD_NOT if Standing.UNCHECKED in stands else 0
