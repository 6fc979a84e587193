"""The verb that maps stored requests again by a mapping that has changed, and groups what differs, for approval."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hub.cli_local import INSTALLATION, Config, read_settings
from hub.terminal import Json, note, say, say_json, say_table

if TYPE_CHECKING:
    from hub.mapping import CompiledMapping
    from hub.settings import Settings
    from hub.trials.regression import Job, Tally

OF_GROUP: Final = ("group", "element", "cause", "messages", "requests", "examples", "approved")
REASON: Final = "--reason"

regressions = typer.Typer()


@regressions.command(rich_help_panel=INSTALLATION)
def regress(  # noqa: PLR0913  # its options are its parameters
    mapping: Annotated[str, typer.Option(help="A mapping's file, or the name of an installed one: logitud/rapo.")],
    config: Config = None,
    *,
    since: Annotated[str | None, typer.Option("--from", help="Only requests received since: 2025-09-01.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only requests of this kind.")] = None,
    approve: Annotated[list[str] | None, typer.Option(help="Approve this group; may be repeated.")] = None,
    reason: Annotated[str, typer.Option(REASON, help="Why it is wanted: kept beside the mapping.")] = "",
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show the examples' values; the audit says who saw them.")
    ] = False,
    jobs: Annotated[int, typer.Option(min=0, help="How many processes share the work; 0 for one a core.")] = 0,
    as_json: Json = False,
) -> None:
    """Map stored requests again by a changed mapping, sending nothing; exit code 0 once every change is approved.

    Example: hub regress --mapping mappings/logitud/rapo.yaml --from 2025-09-01
    """
    from hub.locker import vault_for
    from hub.mapping import CompiledMapping
    from hub.trials.regression import Job, compare
    from hub.trials.stored import Choice

    settings = read_settings(config)
    file = _file_of(mapping, settings.homes)
    text = file.read_text("utf-8")
    compiled = CompiledMapping.read(file, text)
    choice = Choice(compiled.name, None if since is None else _day(since), kind)
    job = Job(settings.database, str(file), text, choice, reveals=reveal, vault=partial(vault_for, settings))
    with _progress() as advance:
        tally = compare(job, jobs, advance)
    groups = _approved(_groups(compiled, tally), file, compiled.name, approve or (), reason)
    if reveal:
        _witness(settings, job, groups)
    _show(compiled.name, tally, groups, reveal=reveal, as_json=as_json)
    raise typer.Exit(not all(group["approved"] for group in groups))


def _file_of(mapping: str, homes: Sequence[Path]) -> Path:
    """Find a mapping by its file, or by its name in the homes, the last of which counts."""
    from hub.settings import HOME

    places = [Path(mapping), *(home / f"mappings/{mapping}.yaml" for home in reversed((HOME, *homes)))]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise typer.BadParameter(f"no mapping is called {mapping}, and no file", param_hint="--mapping")
    return found


def _day(said: str) -> Any:
    from hub.calendar import read_moment

    try:
        return read_moment(said)
    except ValueError:
        raise typer.BadParameter("expected a day, 2025-09-01, or a moment", param_hint="--from") from None


def _groups(mapping: CompiledMapping, tally: Tally) -> list[dict[str, Any]]:
    """Say each group, the most frequent first."""
    from hub.trials.regression import group_id

    ordered = sorted(tally.groups.items(), key=lambda one: (-one[1].messages, one[0]))
    return [
        {
            "group": group_id(mapping, path, cause),
            "element": path,
            "cause": str(cause),
            "messages": group.messages,
            "requests": group.requests,
            "examples": [f"{number:09d}" for number, _, _ in group.examples],
            "values": [{"before": before, "after": after} for _, before, after in group.examples],
            "approved": "",
        }
        for (path, cause), group in ordered
    ]


def _approved(
    groups: list[dict[str, Any]], file: Path, mapping: str, wanted: Sequence[str], reason: str
) -> list[dict[str, Any]]:
    """Say of each group why it is approved, if it is; those wanted now are written down first."""
    from hub.trials.approval import Approvals, approve, file_beside

    known = {group["group"]: group for group in groups}
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise typer.BadParameter(f"no group is called {unknown[0]}", param_hint="--approve")
    if wanted and not reason.strip():
        raise typer.BadParameter("say why: it is kept beside the mapping", param_hint=REASON)
    place = file_beside(file)
    approvals = Approvals.read(place, mapping)
    if wanted:
        more = (approve(name, known[name]["element"], known[name]["cause"], reason) for name in wanted)
        approvals = approvals.write(place, *more)
    return [{**group, "approved": approvals.reasons.get(group["group"], "")} for group in groups]


def _witness(settings: Settings, job: Job, groups: Sequence[dict[str, Any]]) -> None:
    """Have the audit say whose values are about to be shown."""
    from hub.trials.stored import opened
    from hub.trials.witness import say_revealed

    numbers = {int(number) for group in groups for number in group["examples"]}
    if numbers:
        with opened(job.database) as engine:
            say_revealed(settings, engine, numbers, f"regress: {job.choice.mapping}")


def _show(mapping: str, tally: Tally, groups: Sequence[dict[str, Any]], *, reveal: bool, as_json: bool) -> None:
    said = [{name: value for name, value in group.items() if reveal or name != "values"} for group in groups]
    counts = {"messages": tally.messages, "requests": tally.requests, "same": tally.same, "skipped": tally.skipped}
    if as_json:
        say_json({"mapping": mapping, **counts, "groups": said})
        return
    say(f"{mapping}: {tally.messages} messages of {tally.requests} requests, {tally.same} the same as before")
    if groups:
        say()
        say_table("changes", groups, OF_GROUP)
    for group in said if reveal else ():
        for number, values in zip(group["examples"], group["values"], strict=True):
            say(f"\n{number}  {group['element']}  {group['cause']}\n- {values['before']}\n+ {values['after']}")
    if tally.skipped:
        note(f"{tally.skipped} messages cannot be mapped any more: their definition or their item is gone")
    if not tally.messages:
        note("no stored message was written by this mapping")
    open_ones = sum(not group["approved"] for group in groups)
    note(f"{open_ones} to be approved" if open_ones else "nothing left to be approved")


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Draw a bar on standard error, for whoever sits there."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("mapping again", total=None)
        yield lambda done, all_: progress.update(task, completed=done, total=all_)
