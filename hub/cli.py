"""The `hub` command."""

from __future__ import annotations

import sys
from typing import Final

import typer

from hub.cli_local import local
from hub.errors import HubError
from hub.terminal import note

COULD_NOT: Final = 2

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="The hub that carries a city's requests home.",
)
app.add_typer(local)


def main() -> None:
    """Run a verb; what could not be done is one line on standard error, and exit code 2."""
    try:
        app()
    except (HubError, OSError) as error:
        note(f"hub: {error}")
        sys.exit(COULD_NOT)
