"""The verb that shows an installation's settings as they stand, without its secrets."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Final

import typer

from hub.cli_local import Config
from hub.terminal import Json, tell_rows

COLUMNS: Final = ("setting", "value", "source")

configuration = typer.Typer(
    no_args_is_help=True, help="Show the settings of this installation.\n\nExample: hub config show -c hub.yaml"
)


@configuration.callback()
def within() -> None:
    """Keep `show` a word of its own."""


@configuration.command()
def show(config: Config = None, *, as_json: Json = False) -> None:
    """Show every setting, its value and where it comes from: the file, the environment, or the default; no secret.

    Example: hub config show -c hub.yaml --json
    """
    from hub.effective import effective

    file = config or next((known for known in [Path("hub.yaml")] if known.exists()), None)
    tell_rows([asdict(one) for one in effective(file)], "settings", COLUMNS, as_json=as_json)
