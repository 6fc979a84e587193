"""What the command line prints: answers on standard output, for people or as JSON; all else on standard error.

What others wrote, a target's answer above all, is shown without the characters that would command the terminal.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import typer

from hub.calendar import PARIS

Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")]

COMMANDING: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters but tab and line feed, and those that turn the direction of writing."""

MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
UNFOLDED: Final = 10_000
"""The width of a table that no person looks at: each row is one line, for grep."""


def own_name() -> str:
    """Say how this command was called, to be pasted: `.venv/bin/hub`."""
    return f"{sys.executable} -m hub" if sys.argv[0].endswith("__main__.py") else sys.argv[0]


def say_json(value: Any, indent: int | None = None) -> None:
    """Print JSON at once, on one line unless it is to be read."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str, indent=indent) + "\n")
    sys.stdout.flush()


def say(text: str = "") -> None:
    """Print a line of an answer."""
    typer.echo(harmless(text))


def note(text: str) -> None:
    """Print a line that is no answer: progress, warnings, errors."""
    typer.echo(harmless(text), err=True)


def tell(answer: Any, said: str, *, as_json: bool) -> None:
    """Print an answer, or what it amounts to."""
    if as_json:
        say_json(answer)
    else:
        say(said)


def tell_rows(found: Sequence[Mapping[str, Any]], title: str, columns: tuple[str, ...], *, as_json: bool) -> None:
    """Print a list."""
    if as_json:
        say_json(found)
    else:
        say_table(title, found, columns)


def say_facts(facts: Mapping[str, Any]) -> None:
    """Print what is known of one thing, a line each; what is empty is left out."""
    said = {name.replace("_", " "): readable(value) for name, value in facts.items() if readable(value)}
    widest = max(map(len, said), default=0)
    for name, value in said.items():
        say(f"{name:<{widest}}  {value}")


def say_drawing(drawing: Any) -> None:
    """Print what rich draws."""
    from rich.console import Console  # noqa: PLC0415  # start-up time

    Console().print(drawing)


def say_table(title: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Print rows for people; a column none of them has is left out; keys, counts and moments are never folded."""
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415  # start-up time
    from rich.console import Console  # noqa: PLC0415  # start-up time
    from rich.table import Table  # noqa: PLC0415  # start-up time

    table = Table(
        title=title,
        title_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
    )
    present = [name for name in columns if any(readable(row.get(name)) for row in rows)]
    for name in present:
        counts = all(type(row.get(name)) is int for row in rows)
        whole = counts or name == columns[0] or name.endswith("at")
        table.add_column(name.replace("_", " "), overflow="fold", no_wrap=whole, justify="right" if counts else "left")
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in present))
    width = None if sys.stdout.isatty() else UNFOLDED
    Console(width=width).print(table if rows else f"{title}: none")


def _cell(value: Any) -> Any:
    from rich.text import Text  # noqa: PLC0415  # start-up time

    return Text(readable(value))


def readable(value: Any) -> str:
    """Write a value for people: moments in the time of Paris, the day only if it is another; no claim as nothing."""
    match value:
        case None | False:
            return ""
        case True:
            return "yes"
        case list() | tuple():
            return ", ".join(map(readable, value))
        case str() if MOMENT.fullmatch(value):
            moment, now = datetime.fromisoformat(value).astimezone(PARIS), datetime.now(PARIS)
            return f"{moment:%H:%M:%S}" if moment.date() == now.date() else f"{moment:%Y-%m-%d %H:%M}"
        case _:
            return harmless(str(value))


def harmless(text: str) -> str:
    """Replace the characters that would command the terminal instead of being read."""
    return COMMANDING.sub("�", text.replace("\r\n", "\n"))
