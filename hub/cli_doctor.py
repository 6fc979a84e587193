"""`hub doctor`: one page that says what is wrong with an installation, and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hub.cli_local import INSTALLATION, Config
from hub.terminal import Json, note, say, say_json

if TYPE_CHECKING:
    from hub.doctor.finding import Finding

doctors = typer.Typer()

ALL_ERRORS: Final = {"HUB_LOG_FORMAT": "console", "HUB_LOG_LEVEL": "ERROR"}
"""How the doctor itself logs: what it finds is its answer."""


@doctors.command(rich_help_panel=INSTALLATION)
def doctor(
    config: Config = None,
    *,
    probe: Annotated[bool, typer.Option("--probe", help="Ask every target whether it is up and knows us.")] = False,
    as_json: Json = False,
) -> None:
    """Say what is wrong with this installation and what to do, whether or not a hub runs; nothing is changed.

    Exit code 0 when all is well, 1 for warnings, 2 for faults.

    Example: hub doctor --probe -c hub.yaml
    """
    from hub.doctor.examination import examine, exit_code
    from hub.doctor.installation import read_installation
    from hub.logs import log_to_stderr

    log_to_stderr(environment=ALL_ERRORS)
    found = examine(read_installation(config, probe=probe))
    if as_json:
        say_json([asdict(finding) for finding in found])
    else:
        _say(found)
    raise typer.Exit(exit_code(found))


def _say(found: Sequence[Finding]) -> None:
    """Print a line a finding, and what to do below those that ask for something."""
    wide = max((len(finding.check) for finding in found), default=0)
    for finding in _together(found):
        where = "" if finding.where == finding.check else f"{finding.where}: "
        say(f"{finding.level:<8}  {finding.check:<{wide}}  {where}{finding.said}")
        if finding.todo:
            say(f"{'':<8}  {'':<{wide}}  → {finding.todo}")
    counts = Counter(finding.level for finding in found)
    note(" · ".join(f"{level}: {count}" for level, count in counts.items()))


def _together(found: Sequence[Finding]) -> list[Finding]:
    """Say once what several checks could not be made for."""
    from hub.doctor.finding import Level

    unseen: dict[str, list[Finding]] = {}
    for finding in found:
        if finding.level is Level.UNSEEN:
            unseen.setdefault(finding.said, []).append(finding)
    said = [
        replace(these[0], check="…", where=", ".join(finding.check for finding in these)) for these in unseen.values()
    ]
    seen = [finding for finding in found if finding.level is not Level.UNSEEN]
    return [
        *(one for one in seen if one.level is not Level.WELL),
        *said,
        *(one for one in seen if one.level is Level.WELL),
    ]
