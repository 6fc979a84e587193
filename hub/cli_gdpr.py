"""The verbs of personal data: the register, what is due to go, and what one person may ask for."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli_local import Config, read_settings
from hub.terminal import Json, note, say, say_json, say_table, tell, tell_rows

if TYPE_CHECKING:
    from hub.privacy.person import Sought

OF_DUE = ("number", "kind", "why", "at", "held", "classes")

Number = Annotated[str | None, typer.Option(help="The request's nine digits.")]
Email = Annotated[str | None, typer.Option(help="The applicant's e-mail.")]
Phone = Annotated[str | None, typer.Option(help="The applicant's telephone number.")]
Name = Annotated[str | None, typer.Option(help="The applicant's family name; say an e-mail or a phone with it.")]
Deep = Annotated[
    bool, typer.Option("--deep", help="Open every request, to find who is named in one that another made.")
]

gdpr = typer.Typer(
    no_args_is_help=True,
    help="Personal data: the register, what is due to go, access and erasure.\n\nExample: hub gdpr register --json",
)


@gdpr.command()
def register(
    *,
    html: Annotated[Path | None, typer.Option(help="Write it as an accessible page to this file.")] = None,
    sheet: Annotated[Path | None, typer.Option("--csv", help="Write it as a sheet to this file.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Write the register of processing: of each kind and query, what it carries and who receives which field.

    Example: hub gdpr register --html registre.html --csv registre.csv
    """
    from hub.catalogue import read_catalogue
    from hub.privacy import register_forms
    from hub.privacy.register import register

    settings = read_settings(config)
    entries = register(read_catalogue(settings), settings)
    if html is not None:
        html.write_text(register_forms.as_html(entries, settings.console.city), "utf-8")
    if sheet is not None:
        sheet.write_text(register_forms.as_csv(entries), "utf-8-sig", newline="")
    if as_json:
        say_json(register_forms.as_json(entries))
    elif html is None and sheet is None:
        rows = [
            {
                "processing": entry.name,
                "classes": [str(one) for one in entry.classes],
                "recipients": sorted({one.target for one in entry.recipients}),
                "kept": register_forms.kept(entry),
            }
            for entry in entries
        ]
        say_table("processing", rows, ("processing", "classes", "recipients", "kept"))
    else:
        for file in filter(None, (html, sheet)):
            say(str(file))


@gdpr.command()
def due(*, config: Config = None, as_json: Json = False) -> None:
    """List what is due to be purged and what soon will be, with what keeps it.

    Example: hub gdpr due --json
    """
    from hub.privacy.office import open_office
    from hub.settlement import iso

    with open_office(read_settings(config)) as office:
        rows = [
            {
                "number": f"{one.number:09d}",
                "kind": one.kind,
                "why": str(one.why),
                "at": iso(one.at),
                "is_due": one.at <= office.book.now(),
                "held": str(one.held or ""),
                "classes": sorted(map(str, one.classes)),
            }
            for one in office.due(ahead=True)
        ]
    tell_rows(rows, "due", OF_DUE, as_json=as_json)


@gdpr.command()
def extend(  # noqa: PLR0913  # its options are its parameters
    number: Annotated[str, typer.Argument(help="The request's nine digits.")],
    *,
    until: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The day until which it is kept.")],
    ground: Annotated[str, typer.Option(help="litigation, appeal, legal_hold, audit or person_asks.")],
    reason: Annotated[str, typer.Option(help="Why, without naming anybody.")],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Keep a request longer than its kind says, on a legal ground.

    Example: hub gdpr extend 167046020 --until 2028-01-31 --ground litigation --reason "Référé n° 12"
    """
    from hub.auditor import at_the_keyboard
    from hub.calendar import PARIS
    from hub.privacy.extension import Extension
    from hub.privacy.office import open_office
    from hub.privacy.terms import Ground

    if ground not in set(Ground):
        raise typer.BadParameter(f"a ground is one of {', '.join(Ground)}")
    moment = int(until.replace(tzinfo=PARIS).timestamp() * 1000)
    with open_office(read_settings(config)) as office:
        if moment <= office.book.now():
            raise typer.BadParameter("--until: a day to come")
        wanted = Extension(_number(number), moment, Ground(ground), reason, at_the_keyboard())
        done = office.extend(wanted)
    tell({"number": number, "extended": done}, "extended" if done else "nothing of it is kept", as_json=as_json)
    raise typer.Exit(not done)


@gdpr.command()
def purge(
    *,
    now: Annotated[bool, typer.Option("--now", help="Take it away; without it, say only what would go.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Purge what is due, as a hub that runs does by itself; without --now nothing is changed.

    Example: hub gdpr purge --now
    """
    from hub.auditor import at_the_keyboard
    from hub.privacy.office import open_office

    with open_office(read_settings(config)) as office:
        if not now:
            waiting = sum(one.held is None for found in office.all_due() for one in found)
            tell({"due": waiting}, f"{waiting} due: --now takes them away", as_json=as_json)
            return
        report = office.purge_due(at_the_keyboard())
    said = {"purged": report.purged, "trimmed": report.trimmed, "files": report.files}
    tell(said, ", ".join(f"{count} {name}" for name, count in said.items()), as_json=as_json)


@gdpr.command()
def export(  # noqa: PLR0913  # its options are its parameters
    out: Annotated[Path, typer.Option(help="A folder that is not there yet, or a file that ends in .zip.")],
    *,
    number: Number = None,
    email: Email = None,
    phone: Phone = None,
    name: Name = None,
    deep: Deep = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Hand over everything that is held of one person: what they said, who received what and when, the files.

    Example: hub gdpr export --email lea.martin@example.org --out lea.zip
    """
    import asyncio
    from functools import partial

    from hub.auditor import at_the_keyboard
    from hub.privacy.office import open_office
    from hub.privacy.parcels import hand_over

    if out.exists():
        raise typer.BadParameter(f"--out: {out} is there already")
    sought = _sought(number, (email, phone), name, deep=deep)
    with open_office(read_settings(config)) as office:
        numbers = office.numbers(sought)
        for one in numbers:
            about = f"request {one:09d}"
            office.write(partial(office.tell, action="gdpr.export", actor=at_the_keyboard(), about=about, said={}))
        if numbers:
            asyncio.run(hand_over(office, numbers, out))
    listed = [f"{one:09d}" for one in numbers]
    tell({"requests": listed}, f"{len(listed)} requests  {out if listed else ''}".strip(), as_json=as_json)
    raise typer.Exit(not listed)


@gdpr.command()
def erase(  # noqa: PLR0913  # its options are its parameters
    *,
    number: Number = None,
    email: Email = None,
    phone: Phone = None,
    name: Name = None,
    deep: Deep = False,
    force: Annotated[
        str, typer.Option(help="The legal reason to erase what is still under way; it is kept, so name nobody.")
    ] = "",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Erase what is held of one person; refused, with the reason, while something of it is under way.

    Example: hub gdpr erase --number 167046020
    """
    from hub.auditor import at_the_keyboard
    from hub.privacy.office import open_office
    from hub.privacy.purge import Purge
    from hub.privacy.retention import Held

    sought, actor = _sought(number, (email, phone), name, deep=deep), at_the_keyboard()
    despite = frozenset(Held) - {Held.IN_HAND} if force else frozenset()
    with open_office(read_settings(config)) as office:
        asked = [Purge(one, "erasure", actor, despite, reason=force) for one in office.numbers(sought)]
        _, done = office.purge(asked, actor)
    rows = [
        {"number": f"{one.number:09d}", "erased": one.done, "held": one.held.sentence if one.held else ""}
        for one in done
    ]
    if not rows:
        note("no request of this person is held")
    tell_rows(rows, "erased", ("number", "erased", "held"), as_json=as_json)
    raise typer.Exit(not rows or not all(one.held is None for one in done))


def _sought(number: str | None, sure: tuple[str | None, ...], name: str | None, *, deep: bool) -> Sought:
    """Read who is meant; a name alone is not enough: others bear it."""
    from hub.privacy.person import Sought

    words = tuple(one for one in (*sure, name) if one)
    if bool(number) == bool(words):
        raise typer.BadParameter("say --number, or --email, --phone or both")
    if words and not any(sure):
        raise typer.BadParameter("--name: others bear it; say an e-mail or a telephone number too")
    return Sought(_number(number) if number else None, words, deep)


def _number(said: str) -> int:
    digits = said.replace(" ", "").replace("\u202f", "")
    if not (digits.isascii() and digits.isdigit() and len(digits) == 9):
        raise typer.BadParameter("a request's number has nine digits")
    return int(digits)
