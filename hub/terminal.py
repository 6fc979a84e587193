"""What the command line prints: answers on standard output, for people or as JSON; all else on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")]


def own_name() -> str:
    """Say how this command was called, to be pasted: `.venv/bin/hub`."""
    return f"{sys.executable} -m hub" if sys.argv[0].endswith("__main__.py") else sys.argv[0]


def say_json(value: Any) -> None:
    """Print one line of JSON, at once."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def say(text: str = "") -> None:
    """Print a line of an answer."""
    typer.echo(text)


def note(text: str) -> None:
    """Print a line that is no answer: progress, warnings, errors."""
    typer.echo(text, err=True)


def say_drawing(drawing: Any) -> None:
    """Print what rich draws."""
    from rich.console import Console  # noqa: PLC0415  # start-up time

    Console().print(drawing)


def say_table(title: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Print rows for people; a column none of them has is left out."""
    from rich.table import Table  # noqa: PLC0415  # start-up time

    present = [name for name in columns if any(row.get(name) not in {None, ""} for row in rows)]
    table = Table(title=title, title_justify="left")
    for name in present:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*("" if row.get(name) is None else str(row[name]) for name in present))
    say_drawing(table if rows else f"{title}: none")
