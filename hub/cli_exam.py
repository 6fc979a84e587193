"""The verb that examines a connector."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

import typer

from hub.cli_local import INSTALLATION, Config, read_settings
from hub.terminal import Json, note, say, say_json

MARKS: Final = {True: "✓", False: "✗", None: "·"}

exams = typer.Typer()


@exams.command(rich_help_panel=INSTALLATION)
def exam(
    name: Annotated[str, typer.Argument(help="The connector; `all` for every one.")],
    config: Config = None,
    *,
    target: Annotated[
        str | None, typer.Option(help="A target of the settings, real, whose probe counts towards gold.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Hold a connector to its sandbox, and print its certificate: bronze, silver or gold, with reasons.

    Exit code 1 when it is not even bronze, or claims a tier that it cannot have. Example: hub exam logitud --json
    """
    settings = read_settings(config)
    certificates = asyncio.run(_examine(name, settings, target, as_json=as_json))
    if as_json:
        said = [certificate.as_json() for certificate in certificates]
        say_json(said if name == EVERY else said[0])
    raise typer.Exit(not all(certificate.holds for certificate in certificates))


EVERY: Final = "all"


async def _examine(name: str, settings: Any, target: str | None, *, as_json: bool) -> list[Any]:
    """Examine one connector or all, printing marks as they come unless JSON is wanted."""
    from hub.exam.candidate import Subject
    from hub.exam.examination import Certificate, sit
    from hub.packages import find_packages

    packages = find_packages(*settings.places)
    subjects = {one: Subject.of(package) for one, package in packages.items()}
    examined = {one: subject for one, subject in subjects.items() if not subject.manifest.builtin}
    if name != EVERY and name not in examined:
        raise typer.BadParameter(f"the connectors that sit an exam are: {', '.join(sorted(examined))}, or {EVERY}")
    certificates = []
    for subject in [examined[name]] if name != EVERY else examined.values():
        real = _real(settings, target, subject.name) if target else None
        marks = []
        try:
            async for mark in sit(subject, real):
                marks.append(mark)
                if not as_json:
                    note(f"{MARKS[mark.passed]} {mark.check}{f': {mark.reason}' if mark.reason else ''}")
        finally:
            if real:
                await real.close()
        certificate = Certificate(subject.name, subject.manifest.tier, tuple(marks))
        certificates.append(certificate)
        if not as_json:
            _show(certificate)
    return certificates


def _real(settings: Any, target: str, connector: str) -> Any:
    """Connect to the target of the settings that is to be tried."""
    from hub.app import connect
    from hub.catalogue import read_catalogue

    said = settings.targets.get(target)
    if said is None or said.connector != connector:
        raise typer.BadParameter(f"the settings name no target {target!r} of the connector {connector}")
    return connect(read_catalogue(settings), target, said).connector


def _show(certificate: Any) -> None:
    """Print a certificate for people."""
    claims = f"it claims {certificate.claimed}" + ("" if certificate.holds else ", which it cannot")
    say(f"{certificate.connector}: {certificate.tier or 'no tier'} ({claims})")
    for reason in certificate.reasons:
        say(f"  not {reason}")
