"""`hub check`: everything that is wrong in the files, for people, for programs, and for code hosts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hub.cli_local import INSTALLATION, Config, read_settings
from hub.terminal import Json, note, say, say_drawing, say_json

if TYPE_CHECKING:
    from hub.proof.finding import Finding

SAMPLES: Final = 200
"""Requests made up for each kind and query, unless said otherwise."""
THOROUGH: Final = 2_000

checks = typer.Typer()


@checks.command(rich_help_panel=INSTALLATION)
def check(  # noqa: PLR0913  # its options are its parameters
    config: Config = None,
    *,
    samples: Annotated[
        int, typer.Option(min=0, help="Requests made up for each kind and query; 0 for none.", show_default=True)
    ] = SAMPLES,
    thorough: Annotated[
        bool, typer.Option("--thorough", help=f"Make up {THOROUGH} of each; with --mutate, try every mutant.")
    ] = False,
    mutate: Annotated[
        bool, typer.Option("--mutate", help="Break schemas and mappings on purpose, and say how many are noticed.")
    ] = False,
    sarif: Annotated[bool, typer.Option("--sarif", help="Print SARIF 2.1.0, and nothing else.")] = False,
    as_json: Json = False,
) -> None:
    """Find everything that is wrong in connectors/, mappings/ and routes/; exit code 1 when something is.

    Every mapping is proved against both schemas, then run on made-up requests.

    Example: hub check --sarif > findings.sarif
    """
    from hub.settings import HOME

    homes = (HOME, *read_settings(config).homes)
    if mutate:
        _mutate(homes, all_of_them=thorough, as_json=as_json)
        return
    findings = _find(homes, THOROUGH if thorough else samples)
    if sarif:
        _say_sarif(findings)
    elif as_json:
        say_json([asdict(finding) for finding in findings])
    else:
        _say_findings(findings)
    wrong = [finding for finding in findings if not finding.accepted]
    accepted = f", {len(findings) - len(wrong)} accepted" if len(wrong) < len(findings) else ""
    note(f"{len(wrong)} found{accepted}" if wrong else f"nothing to find fault with{accepted}")
    raise typer.Exit(bool(wrong))


def _find(homes: Sequence[Path], samples: int) -> list[Finding]:
    """Find what is wrong by reading; if nothing is, also by trying so many made-up requests of each kind and query."""
    from hub.proof.check import check_all

    findings = check_all(*homes)
    if not samples or any(not finding.accepted for finding in findings):
        return findings
    from hub.catalogue import Catalogue
    from hub.proof.exercise import counter_examples

    catalogue = Catalogue.read(*homes)
    names = (*catalogue.kinds, *catalogue.queries)
    tried = (finding for name in names for finding in counter_examples(catalogue, name, samples))
    findings += dict.fromkeys(tried)  # one of a mapping that several kinds share comes once for each
    return sorted(findings, key=lambda finding: finding.file)


def _say_sarif(findings: Sequence[Finding]) -> None:
    from importlib.metadata import version

    from hub.proof.sarif import as_sarif

    say_json(as_sarif(findings, Path.cwd(), version("city-hub")), indent=2)


def _say_findings(findings: Sequence[Finding]) -> None:
    """Print findings by file: a table each for people, a line each for other programs."""
    import sys

    if not sys.stdout.isatty():
        for finding in findings:
            say(_line(finding))
            if finding.example:
                say(finding.example)
        return
    for file, found in groupby(findings, key=lambda finding: finding.file):
        say_drawing(_drawn(_shown(file), list(found)))
    for finding in findings:
        if finding.example:  # whole, on one line: a table would fold it
            say(f"\n{finding.field}: a request that shows it\n\n{finding.example}")


def _line(finding: Finding) -> str:
    said = f"{finding.file}:{finding.line or 1}: {finding.message}"
    said += f" [{finding.code}]" if finding.code else ""
    if finding.accepted:
        return f"{said} (accepted: {finding.accepted})"
    return f"{said} → {finding.advice}" if finding.advice else said


def _drawn(file: str, found: Sequence[Finding]) -> Any:
    """Draw the findings of one file."""
    from rich.box import SIMPLE
    from rich.table import Table
    from rich.text import Text

    from hub.terminal import harmless

    table = Table(title=file, title_justify="left", title_style="bold", box=SIMPLE, show_edge=False, pad_edge=False)
    table.add_column("line", justify="right")
    table.add_column("rule", no_wrap=True)
    table.add_column("what is wrong, and what to do", overflow="fold")
    for finding in found:
        what = Text(harmless(finding.message), style="dim" if finding.accepted else "")
        to_do = f"accepted: {finding.accepted}" if finding.accepted else finding.advice
        if to_do:
            what.append(f"\n→ {harmless(to_do)}", style="dim" if finding.accepted else "green")
        table.add_row(str(finding.line or ""), finding.code, what)
    return table


def _shown(file: str) -> str:
    """Give a file's path as short as it can be."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_absolute() and path.is_relative_to(Path.cwd()) else file


def _mutate(homes: tuple[Path, ...], *, all_of_them: bool, as_json: bool) -> None:
    """Say how many mutants are noticed."""
    from hub.proof.mutation import SHARE, mutate

    report = mutate(homes, share=1 if all_of_them else SHARE)
    if as_json:
        say_json(report)
        return
    say(f"{report['noticed']} of {report['mutants']} mutants noticed: {report['score']:.1%}")
    for missed in report["missed"]:
        say(f"  {missed['file']}: {missed['change']} ({missed['why']})")
